import type { Configuration, ProviderConfiguration, RouteConfiguration } from './configuration.ts'
import type { Backend, DeploymentBackend, ProviderUpstream, Route, Snapshot } from './snapshot.ts'

/** The configuration that a snapshot was compiled from: compiling it again gives an equal snapshot. */
export function configurationOf(snapshot: Snapshot): Configuration {
  return {
    version: snapshot.version,
    providers: [...snapshot.providers.values()].map((provider) => providerOf(provider, snapshot)),
    deployments: [...snapshot.backends.values()].filter(isDeployment).map(deploymentOf),
    routes: [...snapshot.routesById.values()].map(routeOf),
    users: [...snapshot.users.values()],
    apiKeys: [...snapshot.apiKeysById.values()],
  }
}

function providerOf({ modelIds, ...provider }: ProviderUpstream, { backends }: Snapshot): ProviderConfiguration {
  const models = modelIds.flatMap((id) => backends.get(id) ?? [])
  return {
    ...provider,
    models: models.map(({ id, upstreamModel, categories, pricing }) => ({ id, upstreamModel, categories, pricing })),
  }
}

function isDeployment(backend: Backend): backend is DeploymentBackend {
  return backend.kind === 'deployment'
}

function deploymentOf(backend: DeploymentBackend): Configuration['deployments'][number] {
  const { kind: _kind, label: name, upstreamModelJson: _json, ...rest } = backend
  return { ...rest, name }
}

function routeOf(route: Route): RouteConfiguration {
  const { fallback, access } = route
  return {
    ...route,
    targets: route.targets.map(({ id, backendId, weight }) => ({ id, backendId, weight })),
    fallback: fallback && { ...fallback, triggers: [...fallback.triggers] },
    access: { policy: access.policy, userIds: [...access.userIds], apiKeyIds: [...access.apiKeyIds] },
  }
}
