const { expect, test } = require('@playwright/test');

test('the shop is open', async ({ page }) => {
  await page.goto(process.env.SHOP_URL);
  await expect(page.locator('body')).toContainText('Welcome');
});
