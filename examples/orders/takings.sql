-- Takings and number of orders, by shop and ten seconds.
CREATE OR REPLACE STREAM "orders" ("shop" VARCHAR(32), "euros" DOUBLE);

CREATE OR REPLACE STREAM "takings" (
    "shop" VARCHAR(32),
    "until" TIMESTAMP,
    "euros" DOUBLE,
    "orders" INTEGER
);

CREATE OR REPLACE PUMP "by_shop" AS
INSERT INTO "takings"
SELECT STREAM "shop", ROWTIME, SUM("euros"), COUNT(*)
FROM "orders"
GROUP BY STEP("orders".ROWTIME BY INTERVAL '10' SECOND), "shop";
