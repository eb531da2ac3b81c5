import type { GatewayState as GatewayStateWord } from '../../storage/gateway/write.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const GatewayState = builder.enumType('GatewayState', {
  description: 'Whether a gateway is heard of.',
  values: {
    LIVE: { description: 'Heard of within its heartbeat.' },
    LOST: {
      description:
        'Not heard of for longer: it may still serve what it knew last. Forgotten after 10 minutes, or by `gatewayForget`.',
    },
  } satisfies Values<GatewayStateWord>,
})
