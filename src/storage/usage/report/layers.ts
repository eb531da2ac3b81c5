/**
 * Which sums of usage are kept: a layer is a width of bucket (grain) with a set of dimensions (level). A report reads the
 * layer with the fewest rows that still answers it; every layer is fed by the same statement as the records.
 */

export const usageGrains = ['MINUTE', 'HOUR', 'DAY', 'MONTH'] as const
export type UsageGrain = (typeof usageGrains)[number]

export type UsageLevel = keyof typeof usageLevels

/** The columns of `usage_dimension` that say what usage was about; the names come along with the ids. */
const serviceColumns = [
  'route_id',
  'route_name',
  'route_revision',
  'target_id',
  'backend_id',
  'backend_label',
  'provider_id',
  'provider_name',
  'deployment_id',
  'deployment_name',
  'operation',
  'outcome',
  'stream',
  'service_tier',
] as const
const callerColumns = ['api_key_id', 'api_key_name', 'user_id', 'user_name'] as const

export type DimensionColumn = (typeof serviceColumns)[number] | (typeof callerColumns)[number]

/** The columns of each level, most rows first. */
export const usageLevels = {
  FULL: [...serviceColumns, ...callerColumns],
  SERVICE: serviceColumns,
  CALLER: callerColumns,
  ROUTE: ['route_id', 'route_name'],
  ALL: [],
} as const satisfies Record<string, readonly DimensionColumn[]>

/** The whole numbers of each sum; beside them it has the cost and two latency sketches. */
export const usageCounts = [
  'requests',
  'attempts',
  'failures',
  'fallbacks',
  'input_tokens',
  'cached_input_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cache_write_tokens',
  'images',
  'audio_micros',
  'characters',
  'estimated_requests',
] as const

interface UsageLayer {
  /** `usage_rollup.layer`. */
  readonly number: number
  readonly grain: UsageGrain
  readonly level: UsageLevel
}

/** Within a grain, most rows first. Each has its partition in `migrations/`. */
export const usageLayers: readonly UsageLayer[] = [
  { number: 0, grain: 'MINUTE', level: 'FULL' },
  { number: 1, grain: 'HOUR', level: 'FULL' },
  { number: 4, grain: 'HOUR', level: 'SERVICE' },
  { number: 2, grain: 'DAY', level: 'FULL' },
  { number: 5, grain: 'DAY', level: 'SERVICE' },
  { number: 9, grain: 'DAY', level: 'CALLER' },
  { number: 6, grain: 'DAY', level: 'ROUTE' },
  { number: 7, grain: 'DAY', level: 'ALL' },
  { number: 3, grain: 'MONTH', level: 'FULL' },
  { number: 8, grain: 'MONTH', level: 'ROUTE' },
]

/** The layer of a grain with the fewest rows that knows these columns. */
export function layerFor(grain: UsageGrain, columns: readonly DimensionColumn[]): UsageLayer {
  const layer = usageLayers.findLast(
    (candidate) =>
      candidate.grain === grain &&
      columns.every((column) => (usageLevels[candidate.level] as readonly string[]).includes(column)),
  )
  if (!layer) throw new RangeError(`no layer of ${grain} has ${columns.join(', ')}`)
  return layer
}
