import { noId } from '../../routing/limits/match-limits.ts'
import { typeOfId } from '../../routing/config/object-id.ts'
import type { GraphQLContext } from '../kit/context.ts'

/** The names of keys, users and routes: the id for a deleted object, and an empty string for null. */
export function labelsOf({ loaders }: GraphQLContext, ids: readonly (string | null)[]): Promise<string[]> {
  return Promise.all(
    ids.map(async (id) => {
      if (id === null || id === noId) return ''
      const type = typeOfId(id)
      if (type === 'ApiKey') return (await loaders.apiKey.load(id))?.name ?? id
      if (type === 'User') return (await loaders.user.load(id))?.name ?? id
      return (await loaders.route.load(id))?.name ?? id
    }),
  )
}
