// Draws Mermaid files as GitHub does: node mermaid.mjs FILE...
//
// Prints one object a line: {file, nodes: [{id, text}], edges, wrong}. With IMGFAC_TEST_SHOTS=DIR
// it also leaves a picture of each.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

import { launch, watch } from "./browser.mjs";

const script = createRequire(import.meta.url).resolve("mermaid").replace(/mermaid\.core\.mjs$/, "mermaid.min.js");
const browser = await launch();
for (const file of process.argv.slice(2)) {
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  const wrong = watch(page);
  await page.setContent("<!doctype html><meta charset=utf-8><title>Mermaid</title><main></main>");
  await page.addScriptTag({ path: script });
  const drawn = await page.evaluate(async (text) => {
    // The defaults of Mermaid, which GitHub leaves as they are.
    mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
    await mermaid.parse(text);
    const { svg } = await mermaid.render("graph", text);
    document.querySelector("main").innerHTML = svg;
    const nodes = [...document.querySelectorAll("g.node")].map((node) => ({
      id: node.id.replace(/^(?:graph-)?flowchart-/, "").replace(/-\d+$/, ""),
      text: node.textContent.trim(),
    }));
    return { nodes, edges: document.querySelectorAll("path.flowchart-link").length };
  }, readFileSync(file, "utf8"));
  if (process.env.IMGFAC_TEST_SHOTS) {
    const path = join(process.env.IMGFAC_TEST_SHOTS, `${basename(file)}.png`);
    await page.locator("main").screenshot({ path });
  }
  console.log(JSON.stringify({ file, ...drawn, wrong }));
  await page.close();
}
await browser.close();
