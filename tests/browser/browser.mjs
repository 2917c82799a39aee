// What the scripts share: a browser, a sign-in, and what may not happen on any page.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { BASE, PASSWORD, CHROMIUM = "/usr/bin/chromium", SCREENSHOTS } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };
/** Every way in which a page is looked at. */
export const LOOKS = [
  { name: "light", viewport: DESK, colorScheme: "light" },
  { name: "dark", viewport: DESK, colorScheme: "dark" },
  { name: "phone", viewport: PHONE, colorScheme: "light", isMobile: true, hasTouch: true },
];

/** Runs `script` with a browser, and ends it whatever happens. */
export async function withBrowser(script) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    await script(browser);
  } finally {
    await browser.close();
  }
}

/** A signed-in page; what goes wrong on it is collected in `page.faults`. */
export async function signIn(browser, look = LOOKS[0]) {
  const { name, ...options } = look;
  const context = await browser.newContext({ baseURL: BASE, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`error: ${error.message}`));
  page.on("console", (said) => ["error", "warning"].includes(said.type()) && page.faults.push(said.text()));
  page.on("dialog", (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto("/");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).first().click();
  await page.waitForURL("/");
  return page;
}

/** Waits until `condition` holds in the page. Playwright's own would evaluate text there, which the pages forbid. */
export async function until(page, condition, argument, what = condition.toString()) {
  const deadline = Date.now() + 40_000;
  while (!(await page.evaluate(condition, argument))) {
    assert.ok(Date.now() < deadline, `not within 40 s: ${what}`);
    await page.waitForTimeout(100);
  }
}

/** Nothing that axe calls serious, nothing wider than the screen, no script of a payload, no error in the console. */
export async function check(page, what) {
  // As a developer's tools do: past the content security policy, which forbids scripts from elsewhere.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const { result } = await session.send("Runtime.evaluate", {
    expression: "axe.run(document, { resultTypes: ['violations'] }).then((found) => JSON.stringify(found.violations))",
    awaitPromise: true,
  });
  const serious = JSON.parse(result.value).filter(({ impact }) => ["serious", "critical"].includes(impact));
  const told = serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(told, [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: ${overflow} pixels wider than the screen`);
  assert.equal(await page.evaluate(() => window.hacked), undefined, what);
  assert.deepEqual(page.faults, [], what);
}

/** Checks a page in every look, and takes its picture where that is wanted. */
export async function checkInEveryLook(browser, path, name, prepare = async () => {}) {
  for (const look of LOOKS) {
    const page = await signIn(browser, look);
    await page.goto(path);
    await prepare(page);
    await check(page, `${name}, ${look.name}`);
    if (SCREENSHOTS) {
      await page.screenshot({ path: `${SCREENSHOTS}/${name}-${look.name}.png`, fullPage: look.name !== "phone" });
    }
    await page.context().close();
  }
}
