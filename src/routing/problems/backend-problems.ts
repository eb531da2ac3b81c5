/** Backends that do not answer, answer with errors, or cannot answer as they are configured. */
import type { Backend, DeploymentBackend } from '../config/snapshot.ts'
import type { ModelCategory } from '../config/vocabulary.ts'
import type { BackendUses } from './backend-use.ts'
import { listNames, type ProblemDraft } from './operational-problem.ts'
import type { BackendFault, ProblemFacts, RecentAttempts, RecentFailures } from './problem-facts.ts'

/** The problems of all backends, those of one backend together. */
export function backendProblems(facts: ProblemFacts, uses: BackendUses): ProblemDraft[] {
  const warnings = Map.groupBy(currentWarnings(facts), ({ backendId }) => backendId)
  const suspects = new Set([...failingBackendIds(facts), ...facts.attempts.keys(), ...warnings.keys()])
  return [...suspects].flatMap((id) => {
    const backend = facts.snapshot.backends.get(id)
    if (backend?.state !== 'ACTIVE') return []
    const subject = { facts, uses, backend, attempts: facts.attempts.get(id), warnings: warnings.get(id) ?? [] }
    return [unhealthy(subject), misconfigured(subject), refused(subject), failing(subject)].filter(
      (problem) => problem !== null,
    )
  })
}

interface Told {
  readonly facts: ProblemFacts
  readonly uses: BackendUses
  readonly backend: Backend
  readonly attempts: RecentAttempts | undefined
  readonly warnings: readonly BackendFault[]
}

/** Backends that are ejected or have an ejected endpoint. */
function failingBackendIds({ snapshot, failing }: ProblemFacts): string[] {
  const isEjected = (id: string) => failing.get(id)?.isEjected ?? false
  const ids: string[] = []
  if (failing.size === 0) return ids
  for (const backend of snapshot.backends.values()) {
    const parts = backend.kind === 'deployment' ? activeEndpoints(backend) : [backend]
    if (parts.some(({ id }) => isEjected(id))) ids.push(backend.id)
  }
  return ids
}

function activeEndpoints({ endpoints }: DeploymentBackend) {
  return endpoints.filter(({ state }) => state === 'ACTIVE')
}

// ── it does not answer ──

function unhealthy({ facts, uses, backend }: Told): ProblemDraft | null {
  const parts = backend.kind === 'deployment' ? activeEndpoints(backend) : [{ id: backend.id, url: '' }]
  const ejected = parts.filter(({ id }) => facts.failing.get(id)?.isEjected)
  if (ejected.length === 0) return null
  const healths = ejected.map(({ id }) => facts.failing.get(id)!)
  const { lastError } = healths.find((health) => health.lastError !== null) ?? healths[0]!
  const isWhole = ejected.length === parts.length
  const what =
    backend.kind === 'deployment'
      ? `${isWhole ? 'no endpoint' : 'not every endpoint'} of the deployment ${backend.label} is healthy (${listNames(ejected.map(({ url }) => url))})`
      : `the provider model ${backend.label} is unhealthy`
  return {
    code: 'BACKEND_UNHEALTHY',
    key: backend.id,
    severity: isWhole ? uses.severityWithout(backend.id) : 'NOTICE',
    sinceMs: Math.min(...healths.map(({ sinceMs }) => sinceMs)),
    summary: `${capitalised(what)}${lastError === null ? '' : `: ${lastError}`}.`,
    remedy:
      backend.kind === 'deployment'
        ? 'Look at the server and its log; meanwhile deploymentEndpointStateSet can take an endpoint out of service.'
        : 'Look at the status page of the service and at the account; meanwhile routeTrafficSet can set its weight to 0.',
    subjectId: backend.id,
  }
}

// ── it answers with errors ──

const fewestErrors = 3
const leastShare = 0.05
/** The problem ends after this many answers, or after a time without an error. */
const enoughAnswers = 10
const errorsEndAfterMs = 30_000

function failing({ facts, backend, attempts }: Told): ProblemDraft | null {
  if (!attempts || !isGoingOn(attempts, facts.nowMs)) return null
  const { errors } = attempts
  const isFelt = errors.failedRequests > 0
  return {
    code: 'UPSTREAM_ERRORS',
    key: backend.id,
    severity: isFelt ? 'CRITICAL' : 'WARNING',
    sinceMs: errors.firstAtMs,
    summary:
      `${backend.label} fails on ${shareWords(errors.count / attempts.attempts)} of its requests, ` +
      `${isFelt ? 'and clients get errors' : 'which others serve instead'}${lastWords(errors)}.`,
    remedy: `See requestLogs(filter: { backendIds: ["${backend.id}"] }) for what upstream said, and look at the server or the account.`,
    subjectId: backend.id,
  }
}

function isGoingOn({ attempts, errors, answeredSinceError }: RecentAttempts, nowMs: number): boolean {
  if (errors.count < fewestErrors || errors.count < attempts * leastShare) return false
  return answeredSinceError < enoughAnswers && nowMs - errors.lastAtMs! <= errorsEndAfterMs
}

/** The share in words: a number would change the problem with each request. */
function shareWords(share: number): string {
  if (share >= 0.95) return 'nearly all'
  return share >= 0.5 ? 'most' : 'some'
}

// ── it cannot answer ──

function misconfigured({ facts, uses, backend, attempts, warnings }: Told): ProblemDraft | null {
  const base = {
    code: 'BACKEND_MISCONFIGURED',
    key: backend.id,
    severity: uses.severityWithout(backend.id),
    subjectId: backend.id,
  } as const
  const change = backend.kind === 'deployment' ? 'deploymentUpdate' : 'providerUpdate'
  const unknown = attempts && unansweredAfter(attempts, attempts.notFound)
  if (unknown)
    return {
      ...base,
      sinceMs: unknown.firstAtMs,
      summary: `${backend.label} does not know the model ${JSON.stringify(backend.upstreamModel)} or the path: it answers 404${lastWords(unknown)}.`,
      remedy:
        backend.kind === 'deployment'
          ? 'Set upstreamModel and the base URL of its endpoints, which mostly ends in /v1, with deploymentUpdate.'
          : 'Compare with the list that providerProbe shows, and correct the model with providerModelAdd or the base URL with providerUpdate.',
    }
  const found = warnings.filter(({ code }) => code !== 'CREDENTIAL_REFUSED')
  if (found.length > 0)
    return {
      ...base,
      sinceMs: earliest(found),
      changedIds: [backend.id],
      summary: `${backend.label} will probably not answer: ${withoutEnd(found[0]!.message)}.`,
      remedy: `Correct it with ${change}, which asks the server again; its field warnings has all that was found.`,
    }
  const refusedOperation = mainOperation(backend, facts)
  if (refusedOperation === null) return null
  return {
    ...base,
    sinceMs: facts.nowMs,
    summary: `${backend.label} answers 404 to ${refusedOperation}, the operation that its models are called by.`,
    remedy: `Correct its base URL, which mostly ends in /v1, or its operations with ${change}.`,
  }
}

/** The main operation of a category; null for a category with several, of which a model may lack some. */
const mainOperations: Readonly<Partial<Record<ModelCategory, string>>> = {
  LLM: '/v1/chat/completions',
  EMBEDDING: '/v1/embeddings',
  RERANKER: '/v1/rerank',
  IMAGE: '/v1/images/generations',
  SPEECH_TO_TEXT: '/v1/audio/transcriptions',
  TEXT_TO_SPEECH: '/v1/audio/speech',
}

/** The operation that every category of the backend is called by, if it was learned that all of them are refused. */
function mainOperation(backend: Backend, { live }: ProblemFacts): string | null {
  const operations = backend.categories.flatMap((category) => mainOperations[category] ?? [])
  if (operations.length === 0 || !operations.every((operation) => live.isOperationRefused(backend.id, operation)))
    return null
  return operations[0]!
}

/** The last failures, if the backend has answered nothing since; null otherwise. */
function unansweredAfter({ lastAnsweredAtMs }: RecentAttempts, failures: RecentFailures): RecentFailures | null {
  if (failures.lastAtMs === null) return null
  return lastAnsweredAtMs === null || lastAnsweredAtMs < failures.lastAtMs ? failures : null
}

// ── it does not let us in ──

/** The problem of a deployment that refuses its credential. Credentials of a provider have their own health. */
function refused({ uses, backend, attempts, warnings }: Told): ProblemDraft | null {
  if (backend.kind !== 'deployment') return null
  const warning = warnings.find(({ code }) => code === 'CREDENTIAL_REFUSED')
  const failures = attempts && unansweredAfter(attempts, attempts.unauthorised)
  if (!failures && !warning) return null
  return {
    code: 'CREDENTIAL_REFUSED',
    key: backend.id,
    severity: uses.severityWithout(backend.id),
    sinceMs: failures ? failures.firstAtMs : warning!.atMs,
    summary: failures
      ? `The servers of the deployment ${backend.label} refuse its secret${lastWords(failures)}.`
      : `The servers of the deployment ${backend.label} refuse its secret: ${withoutEnd(warning!.message)}.`,
    remedy: 'Set the secret that the servers were started with by deploymentUpdate(input: { secret: … }).',
    subjectId: backend.id,
  }
}

/** Credentials of providers that upstream refused and has not accepted since. */
export function credentialProblems({ snapshot, failing }: ProblemFacts, uses: BackendUses): ProblemDraft[] {
  if (failing.size === 0) return []
  const problems: ProblemDraft[] = []
  for (const provider of snapshot.providers.values()) {
    if (provider.state !== 'ACTIVE') continue
    const refusedOnes = provider.credentials.filter(({ id }) => failing.has(id))
    const areAll = refusedOnes.length === provider.credentials.length
    for (const { id, hint } of refusedOnes) {
      problems.push({
        code: 'CREDENTIAL_REFUSED',
        key: id,
        severity: areAll ? uses.severityWithoutProvider(provider) : 'NOTICE',
        sinceMs: failing.get(id)!.sinceMs,
        summary: `The provider ${provider.name} does not accept the credential ${hint}${areAll ? '' : '; its others are used'}.`,
        remedy:
          'Add a new one with providerCredentialAdd and remove this one with providerCredentialRemove, or look at the account and its balance.',
        subjectId: provider.id,
      })
    }
  }
  return problems
}

// ── words ──

/**
 * The warnings that still hold: a warning from before the backend's last answer is outdated, and the active check decides whether a
 * server is reachable.
 */
function currentWarnings({ snapshot, warnings, attempts, answeredAtMs }: ProblemFacts): BackendFault[] {
  return warnings.filter(({ backendId, code, atMs }) => {
    if (atMs === null) return true
    const answered = Math.max(attempts.get(backendId)?.lastAnsweredAtMs ?? 0, answeredAtMs.get(backendId) ?? 0)
    const backend = snapshot.backends.get(backendId)
    const isChecked = backend?.kind === 'deployment' && backend.healthCheck !== null
    return answered < atMs && !(code === 'UNREACHABLE' && isChecked)
  })
}

function earliest(warnings: readonly BackendFault[]): number | null {
  const instants = warnings.flatMap(({ atMs }) => atMs ?? [])
  return instants.length > 0 ? Math.min(...instants) : null
}

function lastWords({ lastError }: RecentFailures): string {
  return lastError === null ? '' : `: ${withoutEnd(lastError)}`
}

function withoutEnd(text: string): string {
  return text.replace(/[.\s]+$/, '')
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
