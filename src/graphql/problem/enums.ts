import type {
  ProblemCode as ProblemCodeWord,
  ProblemSeverity as ProblemSeverityWord,
} from '../../routing/problems/operational-problem.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const ProblemSeverity = builder.enumType('ProblemSeverity', {
  description: 'How bad a problem is.',
  values: {
    CRITICAL: { description: 'Requests fail.' },
    WARNING: { description: 'Requests go elsewhere than configured.' },
    NOTICE: { description: 'Nothing fails yet.' },
  } satisfies Values<ProblemSeverityWord>,
})

export const ProblemCode = builder.enumType('ProblemCode', {
  description: 'What kind of problem it is.',
  values: {
    ROUTE_UNAVAILABLE: { description: 'No target and no fallback of an active route could take a request.' },
    ROUTE_DIVERGES: {
      description:
        'Requests of the last minute went elsewhere than the weights say: at least 3, and a twentieth of them.',
    },
    BACKEND_UNHEALTHY: { description: 'A circuit is open, or an active check fails.' },
    BACKEND_MISCONFIGURED: {
      description:
        'It answers 404 for its model or its path, or what its endpoints said when they were last asked does not fit, or its address is forbidden.',
    },
    CREDENTIAL_REFUSED: { description: 'Upstream refused a credential, and has not accepted it since.' },
    BUDGET_EXHAUSTED: { description: 'A budget is used up.' },
    LIMIT_REACHED: { description: 'A rate limit refuses requests.' },
    GATEWAY_LOST: { description: 'A gateway is not heard of, and may still serve.' },
    GATEWAY_BEHIND: { description: 'A gateway is heard of, and has not loaded a change for more than 5 seconds.' },
    USAGE_DELAYED: { description: 'Usage of more than 15 seconds ago is not in the database yet.' },
    DATABASE_UNREACHABLE: {
      description:
        'The database does not answer this process: nothing can be changed, and gateways serve what they knew last.',
    },
    KEY_EXPIRES_SOON: { description: 'An API key expires within 7 days. Told to who may see the key.' },
    PRICE_MISSING: { description: 'A provider model without a price is used by a route and had requests.' },
    UPSTREAM_ERRORS: {
      description: 'At least 3 attempts of the last minutes failed at a backend, and a twentieth of them.',
    },
  } satisfies Values<ProblemCodeWord>,
})
