import type {
  RequestOutcome as RequestOutcomeWord,
  UsageProvenance as UsageProvenanceWord,
} from '../../routing/config/vocabulary.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const UsageBucket = builder.enumType('UsageBucket', {
  description:
    'Width of a bucket. Days and months start in the time zone of the query, minutes and hours on whole multiples in UTC.',
  values: {
    ALL: { description: 'The whole range as one bucket.' },
    MINUTE: { description: 'One minute.' },
    HOUR: { description: 'One hour.' },
    DAY: { description: 'One day.' },
    MONTH: { description: 'One calendar month.' },
  },
})

export const UsageDimension = builder.enumType('UsageDimension', {
  description: 'What usage is grouped by.',
  values: {
    ROUTE: { description: 'The route.' },
    ROUTE_REVISION: { description: 'The route and its revision.' },
    TARGET: { description: 'The target that served the request, or was tried last.' },
    BACKEND: { description: '`provider/model`, or the deployment.' },
    PROVIDER: { description: 'The provider of that backend.' },
    DEPLOYMENT: { description: 'The deployment of that backend.' },
    API_KEY: { description: 'The key of the caller.' },
    USER: { description: 'The owner of that key.' },
    OPERATION: { description: 'The called endpoint, e.g. `/v1/chat/completions`.' },
    OUTCOME: { description: 'How the request ended.' },
    SERVICE_TIER: { description: 'The `service_tier` of the answer; empty if the answer names none.' },
  },
})

export const RequestOutcome = builder.enumType('RequestOutcome', {
  description: 'How a request ended.',
  values: {
    OK: { description: 'Served by the chosen target.' },
    OK_BY_FALLBACK: { description: 'Served by the fallback.' },
    CLIENT_ERROR: { description: 'The client sent something invalid.' },
    DENIED: { description: 'The request had no accepted key, or its key may not call this route.' },
    UPSTREAM_ERROR: { description: 'All attempts failed.' },
    TIMEOUT: { description: 'No attempt answered in time.' },
    CANCELLED: { description: 'The client closed the connection before the end of the answer.' },
    TRUNCATED: { description: 'The stream from upstream broke after its first byte.' },
    GATEWAY_ERROR: { description: 'The gateway itself failed.' },
    LIMITED: {
      description:
        'Refused by a limit or a budget of this installation: 429 `rate_limit_exceeded` or `insufficient_quota`.',
    },
  } satisfies Values<RequestOutcomeWord>,
})

export const UsageProvenance = builder.enumType('UsageProvenance', {
  description: 'Where the token counts come from.',
  values: {
    REPORTED: { description: 'The upstream reported them.' },
    ESTIMATED: {
      description: 'The upstream reported nothing, or the stream ended early. The gateway estimated the tokens.',
    },
    NONE: { description: 'There is nothing to count, e.g. a request that failed.' },
  } satisfies Values<UsageProvenanceWord>,
})
