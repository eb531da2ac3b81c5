import { readsConfig } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'

export const providerNodes: NodeEntries<'Provider' | 'ProviderModel'> = {
  Provider: { load: ({ loaders }, id) => loaders.provider.load(id), scopes: readsConfig },
  ProviderModel: { load: ({ loaders }, id) => loaders.providerModel.load(id), scopes: readsConfig },
}
