/** Models that write nothing: embeddings, rankings and scores. Cohere's rankings have `meta.tokens` (https://docs.cohere.com/reference/rerank). */
import { isObject } from './event-json.ts'
import { shapeOf } from './json-scan.ts'
import type { StreamProtocol } from './stream-protocol.ts'
import { typedParts } from './typed-parts.ts'

export const countsOnly: StreamProtocol = {
  ...typedParts,
  shape: shapeOf({ error: 'value', usage: 'value', meta: shapeOf({ tokens: 'value' }) }),
  findUsage({ usage, meta }) {
    if (isObject(usage)) return usage
    return isObject(meta) && isObject(meta['tokens']) ? meta['tokens'] : undefined
  },
}
