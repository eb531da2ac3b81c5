import type { GatewayState as GatewayStateWord } from '../../storage/gateway/write.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const GatewayState = builder.enumType('GatewayState', {
  description: 'Whether a gateway reports.',
  values: {
    LIVE: { description: 'Its last heartbeat is recent.' },
    LOST: {
      description:
        'Its heartbeat is overdue. It may still serve the last configuration that it loaded. It is forgotten after 10 minutes, or by `gatewayForget`.',
    },
  } satisfies Values<GatewayStateWord>,
})
