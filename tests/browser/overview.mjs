// The overview, while a worker delivers: a chart and figures that move, hostile messages, no JavaScript, keyboard.
import assert from "node:assert/strict";
import { check, checkInEveryLook, signIn, until, withBrowser } from "./browser.mjs";

const delivered = (page) => page.locator("#figures .figure", { hasText: "Events a second" }).locator("dd").first();

await withBrowser(async (browser) => {
  const page = await signIn(browser);
  await page.locator("#chart-rate canvas").waitFor();
  await page.locator("#workers td").first().waitFor();

  const figures = await page.locator("#figures").innerText();
  await until(page, (was) => document.querySelector("#figures").innerText !== was, figures);
  const described = () => page.locator("#chart-rate").getAttribute("aria-label");
  await until(page, () => /last [1-9]/.test(document.querySelector("#chart-rate").ariaLabel));
  const first = await page.locator("#chart-rate canvas").evaluate((canvas) => canvas.toDataURL());
  await until(page, (was) => document.querySelector("#chart-rate canvas").toDataURL() !== was, first);
  assert.match(await described(), /Chart of the last hour/);
  assert.notEqual((await delivered(page).innerText()).trim(), "0.0");
  await page.getByText("<script>window.hacked").first().waitFor();
  await check(page, "the overview");

  // By keyboard: the first stop leads past the navigation.
  await page.reload();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");

  await page.getByRole("link", { name: "Last day" }).click();
  await page.locator("#chart-rate canvas").waitFor();
  await until(page, () => /last day/.test(document.querySelector("#chart-rate").ariaLabel));
  await page.context().close();

  await checkInEveryLook(browser, "/", "overview", (shown) => shown.locator("#chart-lag canvas").waitFor());
});
