/** Every enum of the schema. The values are the words of routing/; here they get their descriptions. */
import type { ProviderKind as ProviderKindWord } from '../../routing/vendors/provider-kind.ts'
import type {
  ProblemCode as ProblemCodeWord,
  ProblemSeverity as ProblemSeverityWord,
} from '../../routing/problems/operational-problem.ts'
import type {
  AccessPolicy as AccessPolicyWord,
  ApiKeyScope as ApiKeyScopeWord,
  CircuitState as CircuitStateWord,
  DeploymentEngine as DeploymentEngineWord,
  DivergenceReason as DivergenceReasonWord,
  FallbackTrigger as FallbackTriggerWord,
  LoadBalancing as LoadBalancingWord,
  ModelCategory as ModelCategoryWord,
  RequestOutcome as RequestOutcomeWord,
  RouteAffinity as RouteAffinityWord,
  RouteBalancing as RouteBalancingWord,
  ServingState as ServingStateWord,
  TargetAvailability as TargetAvailabilityWord,
  UsageProvenance as UsageProvenanceWord,
  UserRole as UserRoleWord,
} from '../../routing/config/vocabulary.ts'
import type { RouteChangeKind as RouteChangeKindWord } from '../../storage/config/tables.ts'
import type { GatewayState as GatewayStateWord } from '../../storage/gateway/write.ts'
import type { ObjectOrder } from '../../storage/database/page.ts'
import type { BackendWarningCode as BackendWarningCodeWord } from '../../control/deployment/warnings.ts'
import type { RefusalCode } from '../../control/kit/refusal.ts'
import type { Propagation as PropagationWord } from '../../control/kit/context.ts'
import { builder } from './builder.ts'

export type Values<Word extends string> = Record<Word, { readonly description: string }>

export const ServingState = builder.enumType('ServingState', {
  description: 'Whether an object takes traffic.',
  values: {
    ACTIVE: { description: 'Takes requests.' },
    DRAINING: { description: 'No new requests; those in flight run to their end.' },
    DISABLED: { description: 'Takes no requests.' },
  } satisfies Values<ServingStateWord>,
})

export const ModelCategory = builder.enumType('ModelCategory', {
  description: 'What a model is for; the categories of the OpenAI-compatible endpoints.',
  values: {
    LLM: { description: 'Text generation: chat, completions, responses, messages.' },
    EMBEDDING: { description: 'Embeddings.' },
    RERANKER: { description: 'Reranking and scoring.' },
    IMAGE: { description: 'Image generation.' },
    SPEECH_TO_TEXT: { description: 'Transcription and translation of speech.' },
    TEXT_TO_SPEECH: { description: 'Speech from text.' },
    UNKNOWN: { description: 'Nobody said, and the name does not tell.' },
  } satisfies Values<ModelCategoryWord>,
})

export const UserErrorCode = builder.enumType('UserErrorCode', {
  description: 'What kind of failure a `UserError` is.',
  values: {
    INVALID: { description: 'Malformed or out of range.' },
    TAKEN: { description: 'The name is taken.' },
    NOT_FOUND: { description: 'No such object, or the viewer may not see it.' },
    FORBIDDEN: { description: 'The viewer may see the object but not do this.' },
    REVISION_CONFLICT: { description: '`expectedRevision` is not the current revision.' },
    IN_USE: { description: 'Other objects refer to this one.' },
    FAILED_PRECONDITION: { description: "The object's state does not allow this." },
    LIMIT_EXCEEDED: { description: 'A bound on the number or size of objects is reached.' },
    IDEMPOTENCY_KEY_REUSED: { description: 'The same idempotency key came with another input.' },
    UNSAFE_URL: { description: 'The address may not be called from this installation.' },
    UPSTREAM_FAILED: { description: 'An upstream server refused or could not be reached while it was being tested.' },
  } satisfies Values<RefusalCode>,
})

export const CircuitState = builder.enumType('CircuitState', {
  description: 'Whether requests are let through to a backend, by its own recent failures.',
  values: {
    CLOSED: { description: 'Requests pass.' },
    OPEN: { description: 'Nothing is sent.' },
    HALF_OPEN: { description: 'One trial request at a time.' },
  } satisfies Values<CircuitStateWord>,
})

export const ProviderKind = builder.enumType('ProviderKind', {
  description:
    'Which service this is: it decides the default base URL, how the credential is sent, and which protocols it speaks.',
  values: {
    OPENAI: { description: 'OpenAI.' },
    OPENAI_COMPATIBLE: {
      description: 'Any server that speaks the OpenAI API at a base URL of the form `http://host:port/v1`.',
    },
    AZURE_OPENAI: { description: 'Azure OpenAI; its base URL is that of your resource.' },
    ANTHROPIC: { description: 'Anthropic.' },
    GOOGLE_GEMINI: { description: 'Google Gemini.' },
    AWS_BEDROCK: { description: 'Amazon Bedrock; its base URL depends on the region.' },
    MISTRAL: { description: 'Mistral AI.' },
    COHERE: { description: 'Cohere.' },
    DEEPSEEK: { description: 'DeepSeek.' },
    XAI: { description: 'xAI.' },
    GROQ: { description: 'Groq.' },
    TOGETHER: { description: 'Together AI.' },
    FIREWORKS: { description: 'Fireworks AI.' },
    OPENROUTER: { description: 'OpenRouter.' },
    MOONSHOT: { description: 'Moonshot AI (Kimi).' },
    ZHIPU: { description: 'Zhipu AI (GLM).' },
    QWEN: { description: 'Alibaba Cloud Model Studio (Qwen).' },
    DOUBAO: { description: 'Volcano Engine Ark (Doubao).' },
    HUNYUAN: { description: 'Tencent Hunyuan.' },
    MINIMAX: { description: 'MiniMax.' },
    STEPFUN: { description: 'StepFun.' },
    BAIDU: { description: 'Baidu Qianfan (ERNIE).' },
    NVIDIA: { description: 'NVIDIA NIM.' },
    OLLAMA: { description: 'Ollama.' },
  } satisfies Values<ProviderKindWord>,
})

export const DeploymentEngine = builder.enumType('DeploymentEngine', {
  description: 'The serving software; it decides the health path and which load figures are read.',
  values: {
    VLLM: { description: 'vLLM.' },
    SGLANG: { description: 'SGLang.' },
    TGI: { description: 'Text Generation Inference by Hugging Face.' },
    TENSORRT_LLM: { description: 'TensorRT-LLM.' },
    LLAMA_CPP: { description: 'The server of llama.cpp.' },
    OLLAMA: { description: 'Ollama.' },
    LM_STUDIO: { description: 'LM Studio.' },
    OTHER: { description: 'Any other: it is not probed unless a health check is given.' },
  } satisfies Values<DeploymentEngineWord>,
})

export const LoadBalancing = builder.enumType('LoadBalancing', {
  description: 'How a request chooses among the endpoints of a deployment.',
  values: {
    LEAST_IN_FLIGHT: { description: 'The less busy of two endpoints drawn at random.' },
    WEIGHTED_ROUND_ROBIN: { description: 'In turn, by the weights of the endpoints.' },
    PREFIX_AFFINITY: {
      description:
        'The same prompt prefix to the same endpoint, for its prefix cache, unless that is much busier than the rest.',
    },
  } satisfies Values<LoadBalancingWord>,
})

export const RouteAffinity = builder.enumType('RouteAffinity', {
  description: 'How requests that belong together are kept at one target.',
  values: {
    NONE: { description: 'The weights alone decide.' },
    SESSION: {
      description:
        'By `previous_response_id` or `conversation`, else `prompt_cache_key`, else `user` of the body, else the header `x-session-id`: the same value goes to the same target while that is available, and new values by the weights. Exact over new values, not over requests.',
    },
  } satisfies Values<RouteAffinityWord>,
})

export const RouteBalancing = builder.enumType('RouteBalancing', {
  description: 'How a new request, or a new session, finds its target.',
  values: {
    WEIGHTED: { description: 'By the weights, exactly.' },
    LEAST_IN_FLIGHT: {
      description:
        'The available target with the fewest requests in flight for its weight, over all gateways as far as they have told; ties by the weights.',
    },
  } satisfies Values<RouteBalancingWord>,
})

export const BackendWarningCode = builder.enumType('BackendWarningCode', {
  description: 'What is wrong with a backend.',
  values: {
    UNREACHABLE: { description: 'It did not answer, or its server failed.' },
    MODEL_NOT_LISTED: { description: 'The endpoint lists models, and `upstreamModel` is not among them.' },
    BASE_URL_SUSPECT: { description: 'The base URL has no path, or lists no models there but at `/v1`.' },
    UNSAFE_URL: { description: 'The address may not be called from this installation as it is now configured.' },
    CREDENTIAL_REFUSED: { description: 'The credential was not accepted, or one is missing.' },
  } satisfies Values<BackendWarningCodeWord>,
})

export const TargetAvailability = builder.enumType('TargetAvailability', {
  description: 'Whether a target could take a request now, and if not, why.',
  values: {
    AVAILABLE: { description: 'It could.' },
    NO_WEIGHT: { description: 'Its weight is 0.' },
    NOT_SERVING: { description: 'It or its provider is disabled or draining.' },
    OPERATION_NOT_SERVED: { description: 'It does not serve the operation.' },
    NO_ENDPOINT: { description: 'It has no endpoints.' },
    UNHEALTHY: { description: 'Its circuit is open, or all its endpoints are unhealthy.' },
    SATURATED: { description: 'All its endpoints are at their `maxInFlight`.' },
    RATE_LIMITED: { description: 'A limit of it has no room.' },
    BUDGET_EXHAUSTED: { description: 'A budget of it, or of the caller, is used up.' },
  } satisfies Values<TargetAvailabilityWord>,
})

export const FallbackTrigger = builder.enumType('FallbackTrigger', {
  description:
    'Why a request moves on to the fallback; only ever before the first byte of an answer went to the client.',
  values: {
    CONNECT_ERROR: { description: 'No connection, TLS failure, or a reset before the response.' },
    TIMEOUT: { description: 'No response headers, or no first event of a stream, in time.' },
    RATE_LIMITED: { description: 'Status 429.' },
    SERVER_ERROR: { description: 'Status 500, 502, 503, 504 or 529.' },
    UPSTREAM_AUTH: {
      description: 'Status 401 or 403: the stored credential is bad. The client never sees these as its own.',
    },
    UPSTREAM_NOT_FOUND: { description: 'Status 404: the upstream does not know the model.' },
    SATURATED: { description: 'Every endpoint is at its `maxInFlight` and the queue did not help.' },
    UNAVAILABLE: { description: 'No target is healthy or serving, so nothing was sent.' },
    CONTEXT_LENGTH: { description: 'The upstream refused because the prompt exceeds its context.' },
  } satisfies Values<FallbackTriggerWord>,
})

export const AccessPolicy = builder.enumType('AccessPolicy', {
  description: 'Who may call a route.',
  values: {
    PUBLIC: { description: 'Anyone, without a key.' },
    AUTHENTICATED: { description: 'Any active key with the scope `INFERENCE`.' },
    RESTRICTED: { description: "Only the listed users' keys and the listed keys." },
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
    SESSION: { description: 'Kept at the target of its session.' },
    BALANCING: { description: "Sent to a less busy target, as the route's `balancing` says." },
    RATE_LIMITED: { description: 'The target was left out: a limit of it has no room.' },
    BUDGET_EXHAUSTED: { description: 'The target was left out: a budget of it, or of the caller, is used up.' },
  } satisfies Values<DivergenceReasonWord>,
})

export const UserRole = builder.enumType('UserRole', {
  description: 'What a user may do at most; a key can narrow it by its scopes.',
  values: {
    ADMIN: { description: 'Everything.' },
    OPERATOR: { description: "Everything but users and other people's keys." },
    MEMBER: { description: 'Inference, and a view of its own usage.' },
  } satisfies Values<UserRoleWord>,
})

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
    REVOKED: { description: 'Refused for ever.' },
    EXPIRED: { description: 'Refused since `expiresAt`.' },
    SUSPENDED: { description: 'Refused for as long as its owner is not `ACTIVE`.' },
  },
})

export const UsageBucket = builder.enumType('UsageBucket', {
  description:
    'Width of a bucket. Days and months start in the time zone that is asked for, the others on whole multiples in UTC.',
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
    TARGET: { description: 'The target that served, or was tried last.' },
    BACKEND: { description: '`provider/model`, or the deployment.' },
    PROVIDER: { description: 'The provider of that backend.' },
    DEPLOYMENT: { description: 'The deployment of that backend.' },
    API_KEY: { description: 'The key of the caller.' },
    USER: { description: 'The owner of that key.' },
    OPERATION: { description: 'The called endpoint, e.g. `/v1/chat/completions`.' },
    OUTCOME: { description: 'How the request ended.' },
    SERVICE_TIER: { description: "The answer's `service_tier`; empty where it named none." },
  },
})

export const RequestOutcome = builder.enumType('RequestOutcome', {
  description: 'How a request ended.',
  values: {
    OK: { description: 'Served by the chosen target.' },
    OK_BY_FALLBACK: { description: 'Served by the fallback.' },
    CLIENT_ERROR: { description: 'The client sent something invalid.' },
    DENIED: { description: 'No key, or not for this route.' },
    UPSTREAM_ERROR: { description: 'All attempts failed.' },
    TIMEOUT: { description: 'No attempt answered in time.' },
    CANCELLED: { description: 'The client went away.' },
    TRUNCATED: { description: 'The stream broke after its first byte.' },
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
    ESTIMATED: { description: 'The upstream reported nothing, or the stream ended early: counted by the gateway.' },
    NONE: { description: 'There is nothing to count, e.g. a request that failed.' },
  } satisfies Values<UsageProvenanceWord>,
})

export const Propagation = builder.enumType('Propagation', {
  description: 'What a mutation waits for before it answers.',
  values: {
    COMMITTED: { description: 'The database has committed.' },
    APPLIED: {
      description:
        'Every live gateway serves it, or 5 s are over: compare `configVersion` with `configStatus.appliedVersion`.',
    },
  } satisfies Values<PropagationWord>,
})

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

export const SortDirection = builder.enumType('SortDirection', {
  description: 'Which way a list is ordered.',
  values: {
    ASC: { description: 'The least first.' },
    DESC: { description: 'The greatest first.' },
  } satisfies Values<ObjectOrder['direction']>,
})

export const ObjectOrderField = builder.enumType('ObjectOrderField', {
  description: 'What a list of objects can be ordered by.',
  values: {
    CREATED_AT: { description: 'When it was made.' },
    UPDATED_AT: { description: 'When it was last changed.' },
    NAME: { description: 'Its name, by the code points.' },
  } satisfies Values<ObjectOrder['field']>,
})
