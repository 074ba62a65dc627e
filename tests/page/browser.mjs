// Starts the browser of the machine: the same way for every test.

import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function launch() {
  const executablePath = process.env.IMGFAC_TEST_CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/// Remembers everything that a page must not do: ask the network, open a dialog, fail.
export function watch(page) {
  const wrong = [];
  page.on("request", (request) => {
    if (!/^(file|data|about|blob):/.test(request.url())) wrong.push(`request: ${request.url()}`);
  });
  page.on("dialog", async (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(`console: ${message.text()}`);
  });
  return wrong;
}
