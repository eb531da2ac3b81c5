import type { ApiKeyConfiguration } from '../config/configuration.ts'
import type { ProblemDraft } from './operational-problem.ts'
import type { ProblemFacts } from './problem-facts.ts'

/** Long enough to distribute a new secret. */
const soonMs = 7 * 86_400_000

/** Keys that are valid now and expire within a week. */
export function keyProblems({ snapshot, nowMs }: ProblemFacts): ProblemDraft[] {
  const problems: ProblemDraft[] = []
  for (const key of snapshot.apiKeysById.values()) {
    const { expiresAtMs } = key
    if (expiresAtMs === null || expiresAtMs <= nowMs || expiresAtMs - nowMs > soonMs) continue
    const owner = snapshot.users.get(key.ownerId)
    if (owner?.state === 'ACTIVE') problems.push(expiresSoon(key, expiresAtMs, owner.name))
  }
  return problems
}

function expiresSoon({ id, name }: ApiKeyConfiguration, expiresAtMs: number, owner: string): ProblemDraft {
  return {
    code: 'KEY_EXPIRES_SOON',
    key: id,
    severity: 'NOTICE',
    sinceMs: expiresAtMs - soonMs,
    changedIds: [id],
    summary: `The API key ${name} of ${owner} expires at ${new Date(expiresAtMs).toISOString()}.`,
    remedy: `Give it a new secret with apiKeyRotate(input: { id: "${id}", overlapMs: 86400000, expiresAt: … }), or a later expiry with apiKeyUpdate.`,
    subjectId: id,
  }
}
