const { createServer } = require('node:http');

createServer((_request, response) => response.end('Welcome to the shop\n')).listen(8080);
