/** The database, the gateways and the usage on its way. */
import type { ProblemDraft } from './operational-problem.ts'
import type { GatewayFact, ProblemFacts } from './problem-facts.ts'

/** A change takes milliseconds to be served everywhere; a restart of a busy database a moment longer. */
const behindAfterMs = 5_000

export function installationProblems(facts: ProblemFacts): ProblemDraft[] {
  const { database, gateways, nowMs } = facts
  const problems: ProblemDraft[] = []
  if (database.unreachableSinceMs !== null) problems.push(unreachable(database.unreachableSinceMs, database.error))
  for (const gateway of gateways) {
    if (gateway.isLost) problems.push(lost(gateway))
    else if (gateway.behindSinceMs !== null && nowMs - gateway.behindSinceMs > behindAfterMs)
      problems.push(behind(gateway, gateway.behindSinceMs))
  }
  return [...problems, ...delayedUsage(facts)]
}

function unreachable(sinceMs: number, error: string | null): ProblemDraft {
  return {
    code: 'DATABASE_UNREACHABLE',
    key: 'database',
    severity: 'CRITICAL',
    sinceMs,
    summary: `The database cannot be reached${error === null ? '' : `: ${error}`}; gateways serve the last configuration that they loaded, and nothing can be changed.`,
    remedy:
      'Start the PostgreSQL server that DATABASE_URL names, or repair the network to it; Signalbox reconnects automatically.',
    subjectId: null,
  }
}

function lost({ id, host, seenAtMs }: GatewayFact): ProblemDraft {
  return {
    code: 'GATEWAY_LOST',
    key: id,
    severity: 'WARNING',
    sinceMs: seenAtMs,
    summary: `The gateway ${id} on ${host} does not report any more, and may still serve an older configuration.`,
    remedy: `Start it again or repair its connection to the database; if it will not come back: gatewayForget(input: { id: "${id}" }).`,
    subjectId: null,
  }
}

function behind({ id, host, appliedVersion }: GatewayFact, sinceMs: number): ProblemDraft {
  return {
    code: 'GATEWAY_BEHIND',
    key: id,
    severity: 'WARNING',
    sinceMs,
    summary: `The gateway ${id} on ${host} still serves version ${appliedVersion} of the configuration, which is not the latest one.`,
    remedy:
      'Read its log for why it cannot load the configuration: mostly the rights of its database user, or its SIGNALBOX_ENCRYPTION_KEY.',
    subjectId: null,
  }
}

function delayedUsage({ delayedSpools }: ProblemFacts): ProblemDraft[] {
  return delayedSpools.map(({ spoolId, host, completeUntilMs, isReporting }) => ({
    code: 'USAGE_DELAYED',
    key: spoolId,
    severity: 'NOTICE',
    sinceMs: completeUntilMs,
    summary: `Usage of the gateway${host === null ? '' : ` on ${host}`} (spool ${spoolId}) is not in the database yet: reports and budgets lack it.`,
    remedy: isReporting
      ? 'Look for locks and slow statements in the database; the records wait on the disk of the gateway and are sent automatically.'
      : 'Start the gateway again with the same SIGNALBOX_DATA_DIR, or forget it with gatewayForget.',
    subjectId: null,
  }))
}
