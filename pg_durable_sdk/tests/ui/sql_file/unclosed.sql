SELECT {order.id
