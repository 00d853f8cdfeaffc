-- The report of a shop.
INSERT INTO report (shop, document)
SELECT {shop}, '{{}}'::jsonb
RETURNING id
