import { loadBackend } from '../backend/type.ts'
import { builder } from '../schema/builder.ts'
import { DivergenceReason } from './enums.ts'
import { PercentilesRef } from '../kit/percentiles.ts'
import type { RouteTrafficReport, TargetTrafficReport } from '../../routing/traffic/window.ts'
import { RouteBackendRef } from '../backend/ref.ts'
import { RouteRef, RouteTargetRef } from './ref.ts'

const TargetTraffic = builder.objectRef<TargetTrafficReport>('TargetTraffic').implement({
  description: 'Traffic of one target, or of one fallback backend, over the window.',
  fields: (t) => ({
    target: t.field({
      type: RouteTargetRef,
      nullable: true,
      description: 'Null for a fallback backend or a deleted target.',
      resolve: ({ targetId }, _args, { loaders }) => (targetId === null ? null : loaders.target.load(targetId)),
    }),
    backend: t.field({
      type: RouteBackendRef,
      nullable: true,
      description: 'Null if it was deleted.',
      resolve: ({ backendId }, _args, context) => loadBackend(context, backendId),
    }),
    backendLabel: t.exposeString('backendLabel', { description: "The backend's label at that time." }),
    configuredShare: t.exposeFloat('configuredShare', { description: '0 for a fallback backend.' }),
    observedShare: t.exposeFloat('observedShare', { description: 'Share of the requests of the window, 0 to 1.' }),
    requests: t.expose('requests', { type: 'SafeInt', description: 'Requests that ended there.' }),
    errorShare: t.exposeFloat('errorShare', { description: 'Share that failed, 0 to 1.' }),
    inFlight: t.exposeInt('inFlight', { description: 'Requests in flight at the end of the window.' }),
    firstByteMs: t.expose('firstByteMs', {
      type: PercentilesRef,
      nullable: true,
      description: 'Null without requests.',
    }),
    durationMs: t.expose('durationMs', { type: PercentilesRef, nullable: true, description: 'Null without requests.' }),
    inputTokens: t.expose('inputTokens', { type: 'SafeInt', description: 'Input tokens.' }),
    outputTokens: t.expose('outputTokens', { type: 'SafeInt', description: 'Output tokens.' }),
  }),
})

const TrafficDivergence = builder.objectRef<RouteTrafficReport['divergence'][number]>('TrafficDivergence').implement({
  description: 'Why requests did not go to the target that the weights say.',
  fields: (t) => ({
    reason: t.expose('reason', { type: DivergenceReason, description: 'The reason.' }),
    share: t.exposeFloat('share', { description: "Share of the window's requests, 0 to 1." }),
    target: t.field({
      type: RouteTargetRef,
      nullable: true,
      description: 'The target that they should have gone to; null if it was deleted.',
      resolve: ({ targetId }, _args, { loaders }) => loaders.target.load(targetId),
    }),
  }),
})

export const RouteTrafficRef = builder
  .objectRef<RouteTrafficReport & { readonly sequence: number }>('RouteTraffic')
  .implement({
    description: 'Traffic of a route over one window, over all gateways. Each value is complete in itself.',
    fields: (t) => ({
      route: t.field({
        type: RouteRef,
        nullable: true,
        description: 'Null if it was deleted meanwhile.',
        resolve: ({ routeId }, _args, { loaders }) => loaders.route.load(routeId),
      }),
      revision: t.exposeInt('revision', {
        description: 'The newest revision that served a request of the window; the current one if none did.',
      }),
      windowMs: t.exposeInt('windowMs', { description: 'Length of the window.' }),
      at: t.field({ type: 'DateTime', description: 'End of the window.', resolve: ({ atMs }) => new Date(atMs) }),
      sequence: t.expose('sequence', {
        type: 'SafeInt',
        description: '1 for the first event of a subscription, and 1 more for each further event.',
      }),
      requests: t.expose('requests', { type: 'SafeInt', description: 'Requests that ended in the window.' }),
      inFlight: t.exposeInt('inFlight', { description: 'Requests in flight at the end of the window.' }),
      fallbackShare: t.exposeFloat('fallbackShare', {
        description: 'Share of requests that were served by the fallback, 0 to 1.',
      }),
      targets: t.expose('targets', {
        type: [TargetTraffic],
        description: 'One per target in the order of `Route.targets`, then one per fallback backend.',
      }),
      divergence: t.expose('divergence', {
        type: [TrafficDivergence],
        description: 'Why the observed split differs from the configured one; empty if it does not.',
      }),
      gateways: t.exposeInt('gateways', { description: 'Gateways that contributed.' }),
    }),
  })
