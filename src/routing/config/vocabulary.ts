/** The enum values that both planes use. They equal the values of the GraphQL enums of the same name. */

export const servingStates = ['ACTIVE', 'DRAINING', 'DISABLED'] as const
export type ServingState = (typeof servingStates)[number]

export const modelCategories = [
  'LLM',
  'EMBEDDING',
  'RERANKER',
  'IMAGE',
  'SPEECH_TO_TEXT',
  'TEXT_TO_SPEECH',
  'UNKNOWN',
] as const
export type ModelCategory = (typeof modelCategories)[number]

export const deploymentEngines = [
  'VLLM',
  'SGLANG',
  'TGI',
  'TENSORRT_LLM',
  'LLAMA_CPP',
  'OLLAMA',
  'LM_STUDIO',
  'OTHER',
] as const
export type DeploymentEngine = (typeof deploymentEngines)[number]

export const loadBalancings = ['LEAST_IN_FLIGHT', 'WEIGHTED_ROUND_ROBIN', 'PREFIX_AFFINITY'] as const
export type LoadBalancing = (typeof loadBalancings)[number]

/** How requests that belong together are kept at one target. */
export const routeAffinities = ['NONE', 'SESSION'] as const
export type RouteAffinity = (typeof routeAffinities)[number]

/** How a new request, or a new session, finds its target. */
export const routeBalancings = ['WEIGHTED', 'LEAST_IN_FLIGHT'] as const
export type RouteBalancing = (typeof routeBalancings)[number]

export const accessPolicies = ['PUBLIC', 'AUTHENTICATED', 'RESTRICTED'] as const
export type AccessPolicy = (typeof accessPolicies)[number]

export const userRoles = ['ADMIN', 'OPERATOR', 'MEMBER'] as const
export type UserRole = (typeof userRoles)[number]

export const apiKeyScopes = [
  'INFERENCE',
  'CONFIG_READ',
  'CONFIG_WRITE',
  'TRAFFIC_WRITE',
  'USAGE_READ',
  'ADMIN',
] as const
export type ApiKeyScope = (typeof apiKeyScopes)[number]

/** Why a request moves on; the rows of the failure contract. */
export const fallbackTriggers = [
  'CONNECT_ERROR',
  'TIMEOUT',
  'RATE_LIMITED',
  'SERVER_ERROR',
  'UPSTREAM_AUTH',
  'UPSTREAM_NOT_FOUND',
  'SATURATED',
  'UNAVAILABLE',
  'CONTEXT_LENGTH',
] as const
export type FallbackTrigger = (typeof fallbackTriggers)[number]

export const targetAvailabilities = [
  'AVAILABLE',
  'NO_WEIGHT',
  'NOT_SERVING',
  'OPERATION_NOT_SERVED',
  'NO_ENDPOINT',
  'UNHEALTHY',
  'SATURATED',
  'RATE_LIMITED',
  'BUDGET_EXHAUSTED',
] as const
export type TargetAvailability = (typeof targetAvailabilities)[number]

export const divergenceReasons = [
  'FALLBACK',
  'UNHEALTHY',
  'SATURATED',
  'NOT_SERVING',
  'OPERATION_NOT_SERVED',
  'RETRIED',
  'SESSION',
  'BALANCING',
  'RATE_LIMITED',
  'BUDGET_EXHAUSTED',
] as const
export type DivergenceReason = (typeof divergenceReasons)[number]

export const circuitStates = ['CLOSED', 'OPEN', 'HALF_OPEN'] as const
export type CircuitState = (typeof circuitStates)[number]

/** How a request of a client ended. */
export const requestOutcomes = [
  'OK',
  'OK_BY_FALLBACK',
  'CLIENT_ERROR',
  'DENIED',
  'UPSTREAM_ERROR',
  'TIMEOUT',
  'CANCELLED',
  'TRUNCATED',
  'GATEWAY_ERROR',
  'LIMITED',
] as const
export type RequestOutcome = (typeof requestOutcomes)[number]

export const usageProvenances = ['REPORTED', 'ESTIMATED', 'NONE'] as const
export type UsageProvenance = (typeof usageProvenances)[number]
