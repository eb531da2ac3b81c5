import { type Command, InvalidArgumentError, Option } from 'commander'
import { requestOutcomes, type RequestOutcome } from '../routing/config/vocabulary.ts'
import type { UsageRecord } from '../routing/usage/record.ts'
import { CommandError } from './command-error.ts'
import { prepare } from './prepare.ts'
import { print, printJson } from './print.ts'
import type { Shell } from './shell.ts'

interface Options {
  readonly route?: string
  readonly key?: string
  readonly backend?: string
  readonly outcome?: RequestOutcome
  readonly since?: Date
  readonly limit: number
  readonly follow?: true
  readonly json?: true
}

/** `signalbox logs` */
export function addLogs(program: Command, shell: Shell): void {
  program
    .command('logs')
    .summary('print the request log, and follow it')
    .description(
      'Prints the requests of clients as they ended, from the database: the last ones, or with --follow also those to come, until Ctrl-C.',
    )
    .option('--route <name>', 'only of this route; its name at that time, or its id')
    .option('--key <name>', 'only of this API key; its name, or its id')
    .option('--backend <label>', 'only of this backend, e.g. openai/gpt-5; its label, or its id')
    .addOption(new Option('--outcome <outcome>', 'only with this outcome').choices(requestOutcomes))
    .option(
      '--since <when>',
      'ended then or later: 30s, 15m, 2h, 7d ago, or an instant as 2026-11-30T12:00:00Z',
      instant,
    )
    .option('--limit <number>', 'most requests of before', count, 20)
    .option('-f, --follow', 'go on with requests as they end')
    .option('--json', 'print a line of JSON for each')
    .action((options: Options) => runLogs(shell, options))
}

async function runLogs(shell: Shell, { route, key, backend, outcome, ...options }: Options): Promise<void> {
  const [{ DatabaseAwayError, isAway }, { hasDatabase }, { openLogReader }, { tailRequests }] = await Promise.all([
    import('../storage/database/is-away.ts'),
    import('../server/database/database-server.ts'),
    import('../server/usage/log-reader.ts'),
    import('../server/usage/request-tail.ts'),
  ])
  const { config, log } = await prepare(shell, 'stderr')
  if (!(await hasDatabase(config)))
    throw new CommandError('There is no log here. Is SIGNALBOX_DATA_DIR, or DATABASE_URL, the one of the installation?')
  const follow = options.follow ? shell.listenForStop().signal : undefined
  const filter = { route, apiKey: key, backend, outcome }
  await using reader = await openLogReader(config, filter, { follows: follow !== undefined, log })
  const requests = tailRequests(reader, { since: options.since ?? null, limit: options.limit, follow })
  try {
    for await (const request of requests) {
      if (options.json) printJson(request)
      else print(describe(request))
    }
  } catch (error) {
    if (!isAway(error)) throw error
    throw new DatabaseAwayError(`The database cannot be reached: ${(error as Error).message}`, { cause: error })
  }
}

/** One line without unknown values. Clients choose some of the words, so line breaks in them are removed. */
function describe(request: UsageRecord): string {
  const { tokens, cost } = request
  const words = [
    new Date(request.startedAtMs + request.durationMs).toISOString(),
    request.outcome,
    String(request.status),
    request.routeName ?? request.requestedModel ?? '-',
    `backend=${request.backendLabel ?? '-'}`,
    `key=${request.apiKeyName ?? '-'}`,
    `attempts=${request.attempts.length}`,
    `${Math.round(request.durationMs)}ms`,
    ...(tokens ? [`tokens=${tokens.inputTokens}+${tokens.outputTokens}`] : []),
    ...(cost === null ? [] : [`cost=${cost}`]),
    ...(request.errorCode === null ? [] : [`error=${request.errorCode}`]),
    request.id,
  ]
  return words.join(' ').replaceAll(/\p{Cc}/gu, '?')
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function instant(text: string): Date {
  const ago = /^(\d{1,6})([smhd])$/.exec(text)
  const at = ago ? new Date(Date.now() - Number(ago[1]) * unitMs[ago[2] as keyof typeof unitMs]) : new Date(text)
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('It must be like 15m, or 2026-11-30T12:00:00Z.')
  return at
}

function count(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('It must be a number from 0 to 99999.')
  return Number(text)
}
