// Uses the page of `imgfac graph --format html` as people do: node page.mjs FILE
//
// The page is that of the factory in tests/it/graph.rs, with a circle and hostile text. Ends with
// an error when something is not as it should be; with IMGFAC_TEST_SHOTS=DIR it leaves pictures.

import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { AxeBuilder } from "@axe-core/playwright";

import { launch, watch } from "./browser.mjs";

const address = pathToFileURL(resolve(process.argv[2])).href;
const browser = await launch();

async function open(options, hash = "") {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong = watch(page);
  await page.goto(address + hash);
  await page.locator("#picture[data-eye]").waitFor();
  return { page, wrong };
}

async function shot(page, name) {
  if (process.env.IMGFAC_TEST_SHOTS) {
    await page.screenshot({ path: join(process.env.IMGFAC_TEST_SHOTS, `${name}.png`) });
  }
}

/// No rule of WCAG 2.2 A and AA, nor a best practice, is broken.
async function accessible(page, when) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, [], when);
}

const names = (page) => page.locator("tbody tr td:first-child").allTextContents();
const said = (page) => page.locator("#said").textContent();

// Everybody sees the same, whatever the colours and the width.
for (const [name, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["narrow", { colorScheme: "light", viewport: { width: 420, height: 800 } }],
]) {
  const { page, wrong } = await open(options);
  await accessible(page, name);
  await shot(page, `page-${name}-all`);
  await page.getByRole("button", { name: "low", exact: true }).first().click();
  await accessible(page, `${name}, with details`);
  await shot(page, `page-${name}`);
  assert.deepEqual(wrong, [], name);
}

// The table has everything that the picture has, as text that a screen reader finds.
{
  const { page, wrong } = await open({});
  assert.match(
    await page.locator("table").ariaSnapshot(),
    /row "low managed success ghcr\.io 1 1 2( .*)?":[\s\S]*button "low"/,
  );
  assert.equal(await page.locator("tbody tr").count(), 11);
  assert.match(await page.locator("caption").textContent(), /^11 images of 11/);
  await page.getByRole("button", { name: "Carries" }).click();
  await page.getByRole("button", { name: "Carries" }).click();
  assert.deepEqual((await names(page)).slice(0, 2), ["node:22", "low"]);
  assert.equal(await page.locator("th[aria-sort=descending]").textContent(), "Carries ▼");
  assert.deepEqual(wrong, []);
}

// Search and filters narrow down table and picture alike.
{
  const { page, wrong } = await open({});
  await page.getByRole("searchbox", { name: "Search" }).fill("GHCR.io/acme lo");
  assert.deepEqual(await names(page), ["low"]);
  assert.equal(await said(page), "1 image found");
  await page.keyboard.press("Enter");
  assert.match(await said(page), /^low: managed, success\. Stands on 1, carries 2\.$/);
  await page.getByRole("button", { name: "Show all" }).click();
  await page.getByLabel("Kind").selectOption({ label: "base (4)" });
  assert.equal((await names(page)).length, 4);
  await page.getByLabel("Status").selectOption({ label: "pinned (1)" });
  assert.deepEqual(await names(page), ["debian:12@sha256:7d3f6c1e0b9a…"]);
  await page.getByLabel("Registry").selectOption({ label: "ghcr.io (6)" });
  assert.deepEqual(await names(page), []);
  await page.getByRole("button", { name: "Show all" }).click();
  await page.getByLabel("Team").selectOption({ label: "circle (2)" });
  assert.deepEqual(await names(page), ["one", "two"]);
  assert.deepEqual(wrong, []);
}

// The end of a base's life is told, found and filtered by.
{
  const { page, wrong } = await open({}, "#base%2Fgolang-1");
  assert.match(await page.locator("#detail").textContent(), /past its end of life \(2025-08-01\)/);
  await page.getByRole("searchbox", { name: "Search" }).fill("end of life");
  assert.deepEqual(await names(page), ["golang:1", "node:22"]);
  assert.match(await page.locator("tbody").textContent(), /unobserved, past its end[\s\S]*unobserved, ends 2027-04-30/);
  assert.deepEqual(wrong, []);
}

// The details say what needs a base: the instruction, and the stage if it is not the built one.
{
  const { page, wrong } = await open({}, "#image%2Fapp");
  assert.match(await page.locator("#detail").textContent(), /low from\s*golang:1 from in lint\s*node:22 from in build/);
  await page.getByRole("button", { name: /^debian:12/ }).first().click();
  assert.match(await page.locator("#detail").textContent(), /Carries 1\s*tools copy/);
  assert.deepEqual(wrong, []);
}

// The picture is used with keys alone: from a base over what stands on it, and back.
{
  const { page, wrong } = await open({});
  await page.locator("#picture").focus();
  const walk = [];
  await page.getByRole("button", { name: "node:22" }).click();
  await page.locator("#picture").focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "Escape", "ArrowDown"]) {
    await page.keyboard.press(key);
    walk.push((await said(page)).split(":")[0]);
  }
  assert.equal(walk[2], "low", walk.join());
  assert.ok(["app", "tools"].includes(walk[1]), walk.join());
  assert.match(walk[3], /^Nothing chosen/);
  await page.getByRole("button", { name: "one", exact: true }).first().click();
  assert.match(await page.locator("#detail").textContent(), /in a circle, so left out of automatic rebuilds/);
  await page.locator("#picture").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "detail");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "link");
  assert.deepEqual(wrong, []);
}

// A click in the picture chooses what is there, dragging and the wheel do not.
{
  const { page, wrong } = await open({}, "#image%2Flow");
  assert.match(await said(page), /^low: /);
  const box = await page.locator("#picture").boundingBox();
  await page.keyboard.press("Tab");
  await page.locator("#fit").click();
  await page.evaluate(() => new Promise(requestAnimationFrame));
  const place = await page.evaluate(() => {
    const { picture, graph } = JSON.parse(document.getElementById("data").textContent);
    const at = graph.nodes.findIndex((node) => node.name === "app");
    const [left, top, scale] = document.getElementById("picture").dataset.eye.split(" ").map(Number);
    const [x, y] = picture.nodes[at];
    return [left + (x + picture.node[0] / 2) * scale, top + (y + picture.node[1] / 2) * scale];
  });
  const [x, y] = [box.x + place[0], box.y + place[1]];
  await page.mouse.click(x, y);
  assert.match(await said(page), /^app: managed/);
  assert.match(page.url(), /#image%2Fapp$/);
  await page.mouse.move(box.x + 20, box.y + box.height - 20);
  await page.mouse.down();
  await page.mouse.move(box.x + 120, box.y + box.height - 60, { steps: 5 });
  await page.mouse.up();
  await page.mouse.wheel(0, -300);
  assert.match(await said(page), /^app: managed/);
  assert.deepEqual(wrong, []);
}

// Hostile text is shown, and is nothing but text.
{
  const { page, wrong } = await open({}, "#image%2Fhostile");
  const text = await page.locator("#detail").textContent();
  assert.ok(text.includes("</script><script>alert(1)</script>"), text);
  assert.ok(text.includes("<img src=x onerror=alert(1)>"), text);
  assert.equal(await page.locator("img").count(), 0);
  assert.equal(await page.locator("script").count(), 2);
  // The policy of the page stops what is not its own.
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    return window.ran === true;
  });
  assert.equal(ran, false);
  assert.match(wrong.join(), /Content Security Policy/);
  assert.equal(wrong.length, 1, wrong.join());
}

await browser.close();
console.log("ok");
