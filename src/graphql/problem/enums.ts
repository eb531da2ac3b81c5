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
        'Requests of the last minute went to other targets than the weights say: at least 3, and at least a twentieth of all.',
    },
    BACKEND_UNHEALTHY: { description: 'A circuit is open, or an active check fails.' },
    BACKEND_MISCONFIGURED: {
      description:
        'A backend answers 404 for its model or its path, or the last answers of its endpoints do not match its settings, or its address is forbidden.',
    },
    CREDENTIAL_REFUSED: { description: 'The upstream refused a credential, and has not accepted it since.' },
    BUDGET_EXHAUSTED: { description: 'A budget is used up.' },
    LIMIT_REACHED: { description: 'A rate limit refuses requests.' },
    GATEWAY_LOST: { description: 'The heartbeat of a gateway is overdue. It may still serve.' },
    GATEWAY_BEHIND: { description: 'A gateway reports, but has not loaded a change for more than 5 seconds.' },
    USAGE_DELAYED: { description: 'Usage that is older than 15 seconds is not in the database yet.' },
    DATABASE_UNREACHABLE: {
      description:
        'The database does not answer this process: nothing can be changed, and gateways serve the last configuration that they loaded.',
    },
    KEY_EXPIRES_SOON: { description: 'An API key expires within 7 days. Shown only to callers who may see the key.' },
    PRICE_MISSING: { description: 'A provider model without a price is used by a route and had requests.' },
    UPSTREAM_ERRORS: {
      description:
        'In the last minutes at least 3 attempts failed at a backend, and at least a twentieth of all attempts there.',
    },
  } satisfies Values<ProblemCodeWord>,
})
