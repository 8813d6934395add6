// Sends three lines of pino by pino-loki: URL
const { createRequire } = require("node:module");
const req = createRequire(process.env.FM_ANOMALY_NPM + "/package.json");
const pino = req("pino");
const { pinoLoki } = req("pino-loki");

const stream = pinoLoki({ host: process.argv[2], labels: { application: "shop-pino" }, batching: { interval: 1 }, silenceErrors: false });
const logger = pino({ level: "info" }, stream);
logger.info("served page 3");
logger.error(new TypeError("x is undefined"), "no prices");
logger.warn({ responseTime: 12 }, "slow");
setTimeout(() => stream.end(), 1500);
