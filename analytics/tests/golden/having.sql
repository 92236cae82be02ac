// No source is declared: its columns are found in the records.
CREATE OR REPLACE STREAM big_spenders (who VARCHAR(4), until TIMESTAMP, total SMALLINT, shops BIGINT, mean DOUBLE, note VARCHAR(9));
CREATE OR REPLACE PUMP p AS INSERT INTO big_spenders (until, who, total, shops, mean)
SELECT STREAM ROWTIME, upper("who"), SUM("amount") AS total, COUNT(DISTINCT "shop"), AVG("amount") /* exact */
FROM "payments" AS p
WHERE p."amount" > 0 -- refunds do not count
GROUP BY STEP(p.ROWTIME BY INTERVAL '1' HOUR), upper("who")
HAVING SUM("amount") > 10;
