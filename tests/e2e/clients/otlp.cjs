// Sends three log records by the OpenTelemetry SDK for Node: URL
const { createRequire } = require("node:module");
const req = createRequire(process.env.FM_ANOMALY_NPM + "/package.json");
const { LoggerProvider, BatchLogRecordProcessor } = req("@opentelemetry/sdk-logs");
const { OTLPLogExporter } = req("@opentelemetry/exporter-logs-otlp-http");
const { resourceFromAttributes } = req("@opentelemetry/resources");
const { SeverityNumber } = req("@opentelemetry/api-logs");

const exporter = new OTLPLogExporter({ url: process.argv[2] + "/v1/logs", compression: "gzip" });
const provider = new LoggerProvider({
  resource: resourceFromAttributes({ "service.name": "shop-node" }),
  processors: [new BatchLogRecordProcessor(process.argv[3] === "old" ? exporter : { exporter })],
});
const logger = provider.getLogger("shop.cart");
logger.emit({ severityNumber: SeverityNumber.INFO, body: "served page 3", attributes: { "http.response.status_code": 200 } });
logger.emit({
  severityNumber: SeverityNumber.ERROR,
  body: "no prices",
  attributes: {
    "exception.type": "TypeError",
    "exception.stacktrace": "TypeError: x is undefined\n    at total (/srv/shop/cart.js:7:3)\n    at main (/srv/shop/main.js:1:1)",
  },
});
logger.emit({ severityNumber: SeverityNumber.WARN, body: { event: "slow", level: "warn", duration_ms: 12 } });
provider.forceFlush().then(() => provider.shutdown());
