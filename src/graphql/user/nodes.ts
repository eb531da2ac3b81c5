import { administers } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'

export const userNodes: NodeEntries<'User'> = {
  User: { load: ({ loaders }, id) => loaders.user.load(id), scopes: administers },
}
