import type { ApiKeyScope as ApiKeyScopeWord } from '../../routing/config/vocabulary.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const ApiKeyScope = builder.enumType('ApiKeyScope', {
  description: 'What a key may do; never more than its owner.',
  values: {
    INFERENCE: { description: 'Call the gateway.' },
    CONFIG_READ: { description: 'Read providers, deployments and routes.' },
    CONFIG_WRITE: { description: 'Change providers, deployments and routes.' },
    TRAFFIC_WRITE: { description: 'Change weights and fallbacks, nothing else.' },
    USAGE_READ: { description: 'Read usage and the request log.' },
    ADMIN: { description: 'Manage users and keys, read the audit log.' },
  } satisfies Values<ApiKeyScopeWord>,
})

export const ApiKeyState = builder.enumType('ApiKeyState', {
  description: 'Whether a key is accepted.',
  values: {
    ACTIVE: { description: 'Accepted.' },
    REVOKED: { description: 'Refused permanently.' },
    EXPIRED: { description: 'Refused since `expiresAt`.' },
    SUSPENDED: { description: 'Refused for as long as its owner is not `ACTIVE`.' },
  },
})
