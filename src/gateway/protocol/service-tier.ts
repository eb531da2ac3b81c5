import { toServiceTier } from '../../routing/usage/reported-units.ts'
import { isObject, type Json } from './event-json.ts'

/**
 * Which service tier an answer says that it had: OpenAI's stands in the answer, or in the `response` of an event, Anthropic's in the
 * usage. Null: it says none.
 */
export function findServiceTier(json: Json, usage: Json | undefined): string | null {
  const { response } = json
  return (
    toServiceTier(json['service_tier']) ??
    toServiceTier(isObject(response) ? response['service_tier'] : undefined) ??
    toServiceTier(usage?.['service_tier'])
  )
}
