// Explain, and the pages on which nothing is right: signing in, and a page that is not there.
import assert from "node:assert/strict";
import { check, checkInEveryLook, LOOKS, signIn, withBrowser } from "./browser.mjs";

const LINE =
  "188.103.17.61 1465287056 clicks /t/click campaign=a%20b&x=<script>window.hacked=1</script> " +
  "Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X) AppleWebKit/601.1.46 Mobile/13E230";

async function explain(page, line = LINE) {
  await page.locator("main textarea").fill(line);
  await page.locator("main button[type=submit]").first().click();
  await page.getByText("bytes", { exact: false }).first().waitFor();
}

await withBrowser(async (browser) => {
  await checkInEveryLook(browser, "/explain", "explain", explain);

  const page = await signIn(browser);
  await page.goto("/explain");
  await explain(page, "unknown 1465287056 clicks /t/click p curl/7");
  assert.ok((await page.locator("main").innerText()).includes("not an IPv4 or IPv6 address"));
  assert.equal(await page.locator("main mark").first().innerText(), "unknown");

  // A page that is not there is told as a fault by the browser itself.
  await page.goto("/nowhere");
  page.faults = page.faults.filter((fault) => !fault.includes("404"));
  assert.equal(await page.locator("h1").innerText(), "Not found");
  await check(page, "not found");

  await page.goto("/");
  await page.getByRole("button", { name: "Sign out" }).click();
  for (const look of LOOKS) {
    const { name, ...options } = look;
    const context = await browser.newContext({ baseURL: process.env.BASE, ...options });
    const stranger = await context.newPage();
    stranger.faults = [];
    await stranger.goto("/badclicks");
    await stranger.getByLabel("Password").waitFor();
    await check(stranger, `signing in, ${name}`);
    if (process.env.SCREENSHOTS) {
      await stranger.screenshot({ path: `${process.env.SCREENSHOTS}/sign-in-${name}.png` });
    }
    await context.close();
  }
  await page.goto("/");
  await page.getByLabel("Password").waitFor();
});
