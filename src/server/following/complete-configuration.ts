import {
  type Configuration,
  defaultRequestRules,
  defaultTimeouts,
  noFurtherPrices,
  type Pricing,
} from '../../routing/config/configuration.ts'

const newInCredentials = { hint: '****' }
const newInModels = { operations: null, contextTokens: null }
const newInUpstreams = { requestRules: defaultRequestRules, caCertificates: null }
const newInConfigurations: Partial<Configuration> = { rateLimits: [], budgets: [] }
const newInApiKeys = { earlierSecrets: [] }
const newInRoutes = { affinity: 'NONE', balancing: 'WEIGHTED', rewritesModel: false } as const

/**
 * A configuration with the defaults of what an earlier version did not write: a gateway that was updated starts from the
 * file of the version before. The type of `stored` promises more than such a file holds.
 */
export function completeConfiguration(stored: Configuration): Configuration {
  return {
    ...newInConfigurations,
    ...stored,
    providers: stored.providers.map((provider) => ({
      ...newInUpstreams,
      ...provider,
      credentials: provider.credentials.map((credential) => ({ ...newInCredentials, ...credential })),
      models: provider.models.map(completeModel),
    })),
    deployments: stored.deployments.map((deployment) => ({ ...newInUpstreams, ...completeModel(deployment) })),
    routes: stored.routes.map((route) => ({
      ...newInRoutes,
      ...route,
      timeouts: { ...defaultTimeouts, ...route.timeouts },
    })),
    apiKeys: stored.apiKeys.map((apiKey) => ({ ...newInApiKeys, ...apiKey })),
  }
}

function completeModel<T extends { readonly pricing: Pricing | null }>(model: T): T {
  return { ...newInModels, ...model, pricing: model.pricing && { ...noFurtherPrices, ...model.pricing } }
}
