import type {
  AccessPolicy as AccessPolicyWord,
  DivergenceReason as DivergenceReasonWord,
  FallbackTrigger as FallbackTriggerWord,
  RouteAffinity as RouteAffinityWord,
  RouteBalancing as RouteBalancingWord,
  TargetAvailability as TargetAvailabilityWord,
} from '../../routing/config/vocabulary.ts'
import type { RouteChangeKind as RouteChangeKindWord } from '../../storage/route/tables.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const RouteAffinity = builder.enumType('RouteAffinity', {
  description: 'Whether requests of one session go to the same target.',
  values: {
    NONE: { description: 'The weights alone decide.' },
    SESSION: {
      description:
        'The session is `previous_response_id` or `conversation`, else `prompt_cache_key`, else `user` of the body, else the header `x-session-id`. Requests with the same value go to the same target while it is available. New values are distributed by the weights: the split is exact over new values, not over requests.',
    },
  } satisfies Values<RouteAffinityWord>,
})

export const RouteBalancing = builder.enumType('RouteBalancing', {
  description: 'How the target of a new request, or of a new session, is chosen.',
  values: {
    WEIGHTED: { description: 'By the weights, exactly.' },
    LEAST_IN_FLIGHT: {
      description:
        'The available target with the fewest requests in flight relative to its weight, over all gateways as last reported. Ties are decided by the weights.',
    },
  } satisfies Values<RouteBalancingWord>,
})

export const TargetAvailability = builder.enumType('TargetAvailability', {
  description: 'Whether a target could take a request now, and if not, why.',
  values: {
    AVAILABLE: { description: 'It could take a request now.' },
    NO_WEIGHT: { description: 'Its weight is 0.' },
    NOT_SERVING: { description: 'It or its provider is disabled or draining.' },
    OPERATION_NOT_SERVED: { description: 'It does not serve the operation.' },
    NO_ENDPOINT: { description: 'It has no endpoints.' },
    UNHEALTHY: { description: 'Its circuit is open, or all its endpoints are unhealthy.' },
    SATURATED: { description: 'All its endpoints are at their `maxInFlight`.' },
    RATE_LIMITED: { description: 'A rate limit on it has no room.' },
    BUDGET_EXHAUSTED: { description: 'A budget on it, or on the caller, is used up.' },
  } satisfies Values<TargetAvailabilityWord>,
})

export const FallbackTrigger = builder.enumType('FallbackTrigger', {
  description:
    'Why a request moves on to the fallback. It never moves on after the first byte of an answer was sent to the client.',
  values: {
    CONNECT_ERROR: { description: 'No connection, TLS failure, or a reset before the response.' },
    TIMEOUT: { description: 'No response headers, or no first event of a stream, in time.' },
    RATE_LIMITED: { description: 'Status 429.' },
    SERVER_ERROR: { description: 'Status 500, 502, 503, 504 or 529.' },
    UPSTREAM_AUTH: {
      description: 'Status 401 or 403: the stored credential is bad. The client never sees these as its own.',
    },
    UPSTREAM_NOT_FOUND: { description: 'Status 404: the upstream does not know the model.' },
    SATURATED: {
      description: 'Every endpoint is at its `maxInFlight`, and the queue was full or the wait in it too long.',
    },
    UNAVAILABLE: { description: 'No target is healthy or serving, so nothing was sent.' },
    CONTEXT_LENGTH: { description: 'The upstream refused because the prompt exceeds its context.' },
  } satisfies Values<FallbackTriggerWord>,
})

export const AccessPolicy = builder.enumType('AccessPolicy', {
  description: 'Who may call a route.',
  values: {
    PUBLIC: { description: 'Anyone, without a key.' },
    AUTHENTICATED: { description: 'Any active key with the scope `INFERENCE`.' },
    RESTRICTED: { description: 'Only the listed keys and the keys of the listed users.' },
  } satisfies Values<AccessPolicyWord>,
})

export const RouteChangeKind = builder.enumType('RouteChangeKind', {
  description: 'What a revision of a route changed.',
  values: {
    CREATED: { description: 'The first state.' },
    TRAFFIC_SET: { description: 'Weights changed.' },
    TARGETS_CHANGED: { description: 'Targets were added, removed or replaced.' },
    FALLBACK_SET: { description: 'The fallback was replaced or removed.' },
    ACCESS_SET: { description: 'The access was replaced.' },
    UPDATED: { description: 'Another member of the route changed, e.g. its state or timeouts.' },
    ROLLED_BACK: { description: 'An earlier revision was restored.' },
  } satisfies Values<RouteChangeKindWord>,
})

export const DivergenceReason = builder.enumType('DivergenceReason', {
  description: 'Why a request did not go to the target that the weights chose.',
  values: {
    FALLBACK: { description: 'The target failed and the fallback served.' },
    UNHEALTHY: { description: 'The target was left out: unhealthy.' },
    SATURATED: { description: 'The target was left out: saturated.' },
    NOT_SERVING: { description: 'The target was left out: disabled, draining or without endpoints.' },
    OPERATION_NOT_SERVED: { description: 'The target does not serve the operation.' },
    RETRIED: { description: 'The target failed and another target of the route served.' },
    SESSION: { description: 'Sent to the target of its session.' },
    BALANCING: { description: "Sent to a less busy target, as the route's `balancing` says." },
    RATE_LIMITED: { description: 'The target was left out: a rate limit on it has no room.' },
    BUDGET_EXHAUSTED: { description: 'The target was left out: a budget on it, or on the caller, is used up.' },
  } satisfies Values<DivergenceReasonWord>,
})
