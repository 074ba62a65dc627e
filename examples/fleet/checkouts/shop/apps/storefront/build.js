import('node:fs').then((fs) => fs.cpSync('src', 'dist', { recursive: true }));
