-- What can be run, and what it takes.
SELECT name, version, input_schema->'required' AS input FROM df.workflows WHERE name = 'order.fulfil';
SELECT df.explain('order.fulfil');

-- An order and its workflow, both or neither.
BEGIN;
INSERT INTO shop.orders (sku, qty) VALUES ('bicycle', 2) RETURNING id AS order_id \gset
SELECT df.run('order.fulfil', jsonb_build_object('id', :order_id, 'sku', 'bicycle', 'qty', 2)) AS run \gset
COMMIT;

-- The answer, which is kept until the workflow gets to it; then the end, and how it came about.
SELECT df.signal(:'run', 'approval', '{"approved": true, "by": "Ada"}');
SELECT df.await_instance(:'run', 60);
SELECT node_id, node_type, result_name, status FROM df.instance_nodes(:'run') WHERE node_type IN ('SQL', 'SIGNAL');
SELECT df.result(:'run')::jsonb->'rows'->0 AS receipt;
