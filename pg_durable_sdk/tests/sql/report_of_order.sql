SELECT {order.id} + {one} AS id
