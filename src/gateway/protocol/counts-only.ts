/**
 * Models that write nothing: embeddings, rankings and scores. Cohere's have `meta.tokens`, and in `meta.billed_units` what is paid
 * (https://docs.cohere.com/reference/rerank).
 */
import { noReportedUnits, toUnits } from '../../routing/usage/reported-units.ts'
import { isObject, type Json } from './event-json.ts'
import { shapeOf } from './json-scan.ts'
import type { StreamProtocol } from './stream-protocol.ts'
import { typedParts } from './typed-parts.ts'

export const countsOnly: StreamProtocol = {
  ...typedParts,
  shape: shapeOf({
    error: 'value',
    usage: 'value',
    service_tier: 'value',
    meta: shapeOf({ tokens: 'value', billed_units: 'value' }),
  }),
  findUsage({ usage, meta }) {
    if (isObject(usage)) return usage
    const billed = billedUnits(meta)
    if (billed && 'input_tokens' in billed) return billed
    return isObject(meta) && isObject(meta['tokens']) ? meta['tokens'] : undefined
  },
  units: {
    find: ({ meta }) => ({ ...noReportedUnits, searchUnits: toUnits(billedUnits(meta)?.['search_units']) }),
    mayBeIn: (text) => text.includes('"search_units"'),
  },
}

function billedUnits(meta: unknown): Json | undefined {
  const billed = isObject(meta) ? meta['billed_units'] : undefined
  return isObject(billed) ? billed : undefined
}
