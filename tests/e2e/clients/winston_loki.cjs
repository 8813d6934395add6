// Sends three lines of winston by winston-loki, protobuf unless told "json": URL [json]
const { createRequire } = require("node:module");
const req = createRequire(process.env.FM_ANOMALY_NPM + "/package.json");
const winston = req("winston");
const LokiTransport = req("winston-loki");

const transport = new LokiTransport({
  host: process.argv[2],
  labels: { app: "shop-winston" },
  json: process.argv[3] === "json",
  interval: 1,
  format: winston.format.json(),
  onConnectionError: (error) => console.error("failed", error),
});
const logger = winston.createLogger({ level: "info", transports: [transport] });
logger.info("served page 3");
logger.error({ message: "no prices", stack: "TypeError: x is undefined\n    at total (/srv/shop/cart.js:7:3)" });
logger.warn("slow");
setTimeout(async () => { await transport.flush(); process.exit(0); }, 500);
