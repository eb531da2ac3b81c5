/** What the API says of usage, read as an operator's script would read it: the whole log, and reports. */
import type { UsageDimension } from '../../src/routing/usage/filter.ts'
import type { GraphqlClient } from './graphql-client.ts'
import { until } from './until.ts'

export interface LoggedAttempt {
  readonly backendLabel: string
  readonly status: number | null
  readonly trigger: string | null
}

export interface LoggedRequest {
  readonly id: string
  readonly startedAt: string
  readonly operation: string
  readonly requestedModel: string | null
  readonly outcome: string
  readonly status: number
  readonly stream: boolean
  readonly errorCode: string | null
  readonly provenance: string
  readonly inputTokens: number | null
  readonly cachedInputTokens: number | null
  readonly outputTokens: number | null
  readonly reasoningTokens: number | null
  readonly cost: string | null
  readonly attempts: readonly LoggedAttempt[]
}

export interface ReportedMetrics {
  readonly requests: number
  readonly attempts: number
  readonly failures: number
  readonly fallbacks: number
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly estimatedRequests: number
  readonly cost: string | null
}

export interface ReportedUsage {
  readonly from: string
  readonly to: string
  readonly completeUntil: string
  readonly totals: ReportedMetrics
  readonly truncated: boolean
  readonly rows: readonly {
    readonly bucketStart: string
    readonly group: { readonly labels: readonly string[] }
    readonly metrics: ReportedMetrics
  }[]
}

const metrics = `requests attempts failures fallbacks inputTokens cachedInputTokens outputTokens reasoningTokens
  estimatedRequests cost`

const requestFields = `id startedAt operation requestedModel outcome status stream errorCode provenance inputTokens
  cachedInputTokens outputTokens reasoningTokens cost attempts { backendLabel status trigger }`

/** The whole request log, newest first, page by page. */
export async function readRequestLogs(graphql: GraphqlClient): Promise<LoggedRequest[]> {
  const found: LoggedRequest[] = []
  for (let after: string | null = null; ;) {
    const page: LogPage = await graphql.request<LogPage>(
      `query ($after: String) { requestLogs(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor } edges { node { ${requestFields} } }
      } }`,
      { after },
    )
    found.push(...page.requestLogs.edges.map(({ node }) => node))
    if (!page.requestLogs.pageInfo.hasNextPage) return found
    after = page.requestLogs.pageInfo.endCursor
  }
}

interface LogPage {
  readonly requestLogs: {
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
    readonly edges: readonly { readonly node: LoggedRequest }[]
  }
}

/** `requestLog(id)`: null if there is none. */
export async function readRequestLog(graphql: GraphqlClient, id: string): Promise<LoggedRequest | null> {
  const { requestLog } = await graphql.request<{ requestLog: LoggedRequest | null }>(
    `query ($id: ID!) { requestLog(id: $id) { ${requestFields} } }`,
    { id },
  )
  return requestLog
}

export interface UsageQuestion {
  /** Default: long ago. */
  readonly from?: string
  /** Default: far in the future. */
  readonly to?: string
  readonly bucket?: string
  readonly groupBy?: readonly UsageDimension[]
  readonly filter?: Readonly<Record<string, unknown>>
  readonly limit?: number
}

export async function readUsage(graphql: GraphqlClient, question: UsageQuestion = {}): Promise<ReportedUsage> {
  const { from = '2020-01-01T00:00:00Z', to = '2100-01-01T00:00:00Z', bucket = 'ALL', ...rest } = question
  const { usage } = await graphql.request<{ usage: ReportedUsage }>(
    `query ($range: TimeRangeInput!, $bucket: UsageBucket!, $groupBy: [UsageDimension!]!, $filter: UsageFilterInput, $limit: Int!) {
      usage(range: $range, bucket: $bucket, groupBy: $groupBy, filter: $filter, limit: $limit) {
        from to completeUntil truncated totals { ${metrics} } rows { bucketStart group { labels } metrics { ${metrics} } }
      }
    }`,
    { range: { from, to }, bucket, groupBy: [], limit: 1000, ...rest },
  )
  return usage
}

/** Waits until all that gateways have recorded is in the database. */
export async function untilNothingPends(graphql: GraphqlClient, timeoutMs = 30_000): Promise<void> {
  // A gateway reports once a second: what it said before now may be too old.
  const now = Date.now()
  await until(
    async () => {
      const { completeUntil } = await readUsage(graphql)
      return Date.parse(completeUntil) > now
    },
    { timeoutMs, everyMs: 100, what: 'all usage records to be in the database' },
  )
}

/** Decimals added exactly, without zeros at the end; null if there are none. */
export function addDecimals(values: readonly (string | null)[]): string | null {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return null
  const places = 20
  const sum = known.reduce((total, value) => {
    const [whole = '0', fraction = ''] = value.split('.')
    return total + BigInt(whole + fraction.padEnd(places, '0'))
  }, 0n)
  const digits = sum.toString().padStart(places + 1, '0')
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`.replace(/\.?0+$/, '')
}
