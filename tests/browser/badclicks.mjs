// Bad lines: hostile ones shown harmlessly, filtered, mended, replayed and cleared as a person does it.
import assert from "node:assert/strict";
import { check, checkInEveryLook, signIn, withBrowser } from "./browser.mjs";

const rows = (page) => page.locator("main tbody tr");
const told = (page, text) => page.getByText(text).first().waitFor();

await withBrowser(async (browser) => {
  await checkInEveryLook(browser, "/badclicks", "badclicks", (page) => rows(page).first().waitFor());

  const page = await signIn(browser);
  await page.goto("/badclicks");
  assert.equal(await rows(page).count(), 6);
  assert.ok((await page.locator("main").innerText()).includes("<script>window.hacked=1</script>"));
  assert.equal(await page.locator("main mark").first().isVisible(), true);
  await check(page, "bad lines");

  await page.getByRole("link", { name: "ip 3" }).click();
  assert.equal(await rows(page).count(), 3);
  await rows(page).first().getByRole("link", { name: "Mend" }).click();
  const text = page.locator("main textarea");
  await text.fill((await text.inputValue()).replace(/^\S+/, "8.8.8.8"));
  await page.getByRole("button", { name: "See what it becomes" }).click();
  await told(page, "country");
  await check(page, "a line being mended");
  await page.getByRole("button", { name: "Replay as it stands here" }).click();
  await told(page, "1 line");
  await page.goto("/badclicks?reason=ip");
  assert.equal(await rows(page).count(), 2);

  await rows(page).first().getByRole("button", { name: "Replay" }).click();
  await told(page, "1 line");
  await page.goto("/badclicks?reason=ip");
  await page.getByRole("button", { name: "Replay 1 line" }).click();
  await told(page, "1 line");

  await page.goto("/badclicks");
  assert.equal(await rows(page).count(), 3);
  await page.getByRole("button", { name: "Clear 3 lines" }).click();
  await page.getByRole("link", { name: "No, keep" }).click();
  assert.equal(await rows(page).count(), 3);
  await page.getByRole("button", { name: "Clear 3 lines" }).click();
  await check(page, "the question whether to clear");
  await page.getByRole("button", { name: "Yes, throw away" }).click();
  await told(page, "3 lines");
  assert.equal(await rows(page).count(), 0);
  await check(page, "no bad lines");
});
