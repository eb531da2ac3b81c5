import { readServerFacts, type ServerFacts } from '../../storage/database/server-facts.ts'
import { reasonOf } from '../../storage/database/server-choice.ts'
import { describeRefusal } from '../database/database-fault.ts'
import { fail, type Finding, ok, warn } from './finding.ts'

/** PostgreSQL's major versions that are tried with each version of Signalbox. */
const [oldestTried, newestTried] = [14, 18]
const tolerableClockMs = 1_000
const wrongClockMs = 30_000

export interface DatabaseExamination {
  readonly findings: readonly Finding[]
  /** Whether it answers, so that its content can be looked at. */
  readonly isReachable: boolean
}

/** Checks the server that the URL names. */
export async function examineServer(url: string, usesNamedStatements: boolean): Promise<DatabaseExamination> {
  try {
    const facts = await readServerFacts(url)
    const findings = [
      ok('database', 'The database answers.'),
      examineVersion(facts),
      examineWriting(facts),
      examineTls(facts),
      examineClock(facts),
      examinePooler(facts, usesNamedStatements),
    ]
    return { findings, isReachable: true }
  } catch (error) {
    return { findings: [unreachable(error)], isReachable: false }
  }
}

function unreachable(error: unknown): Finding {
  const refusal = describeRefusal(error)
  if (refusal !== undefined) return fail('database', refusal, 'Change DATABASE_URL, or the server.')
  return fail(
    'database',
    `The database cannot be reached: ${reasonOf(error)}.`,
    'Start it, and see that this machine may connect to it. Gateways serve the last good configuration meanwhile.',
  )
}

function examineVersion({ version, versionNumber }: ServerFacts): Finding {
  const major = Math.floor(versionNumber / 10_000)
  const text = `PostgreSQL ${version}.`
  if (major < oldestTried) return fail('database.version', text, `Use ${oldestTried} to ${newestTried}.`)
  if (major > newestTried)
    return warn('database.version', text, `This version of Signalbox was tried with ${oldestTried} to ${newestTried}.`)
  return ok('database.version', text)
}

function examineWriting({ isReadOnly }: ServerFacts): Finding {
  if (!isReadOnly) return ok('database.write', 'It takes writes.')
  return fail(
    'database.write',
    'It is read-only: a standby, or default_transaction_read_only is on.',
    'Name the primary in DATABASE_URL, or several hosts separated by commas: the one that takes writes is used.',
  )
}

function examineTls({ isEncrypted, isLocal }: ServerFacts): Finding {
  if (isEncrypted) return ok('database.tls', 'The connection is encrypted.')
  if (isLocal) return ok('database.tls', 'The connection does not leave this machine.')
  return warn(
    'database.tls',
    'The connection is not encrypted.',
    'Add sslmode=verify-full and sslrootcert to DATABASE_URL unless the network is your own.',
  )
}

function examineClock({ clockAheadMs }: ServerFacts): Finding {
  const distanceMs = Math.abs(clockAheadMs)
  const text = `Its clock is ${(distanceMs / 1_000).toFixed(1)} s ${clockAheadMs < 0 ? 'behind' : 'ahead of'} the one of this machine.`
  const advice = 'Have both follow NTP: usage, budgets and the order of the audit log go by these clocks.'
  if (distanceMs < tolerableClockMs) return ok('database.clock', 'Its clock and the one of this machine agree.')
  return distanceMs < wrongClockMs ? warn('database.clock', text, advice) : fail('database.clock', text, advice)
}

function examinePooler({ pooler }: ServerFacts, usesNamedStatements: boolean): Finding {
  if (pooler === 'none') return ok('database.pooler', 'There is no pooler before it.')
  if (pooler === 'session') return ok('database.pooler', 'There is a pooler before it, in session mode.')
  const text = 'There is a pooler before it, in transaction mode.'
  if (usesNamedStatements)
    return fail(
      'database.pooler',
      text,
      'Take SIGNALBOX_DATABASE_NAMED_STATEMENTS away: such a pooler loses the names.',
    )
  return warn(
    'database.pooler',
    text,
    'Notices of changes do not come through it, and gateways look each second. Name the server itself, or use session mode.',
  )
}
