import type DataLoader from 'dataloader'
import type { SubjectKind } from '../../routing/config/subject-kind.ts'
import type { Db } from '../../storage/database/db.ts'
import { apiKeyLoaders, apiKeyPayloadParts } from '../api-key/loaders.ts'
import { auditLoaders } from '../audit/loaders.ts'
import { backendLoaders } from '../backend/loaders.ts'
import { budgetLoaders, budgetPayloadParts } from '../budget/loaders.ts'
import { deploymentLoaders, deploymentPayloadParts } from '../deployment/loaders.ts'
import { gatewayLoaders } from '../gateway/loaders.ts'
import { limitLoaders, limitPayloadParts } from '../limit/loaders.ts'
import { providerLoaders, providerPayloadParts } from '../provider/loaders.ts'
import { routeLoaders, routePayloadParts } from '../route/loaders.ts'
import { usageLoaders } from '../usage/loaders.ts'
import { userLoaders, userPayloadParts } from '../user/loaders.ts'

export type Loaders = ReturnType<typeof createLoaders>

/** Loaders of all object types. They cache what they read, so they serve one request or one event of a subscription. */
export function createLoaders(db: Db) {
  return {
    ...apiKeyLoaders(db),
    ...auditLoaders(db),
    ...backendLoaders(db),
    ...budgetLoaders(db),
    ...deploymentLoaders(db),
    ...gatewayLoaders(db),
    ...limitLoaders(db),
    ...providerLoaders(db),
    ...routeLoaders(db),
    ...usageLoaders(db),
    ...userLoaders(db),
  }
}

/** A loader whose values are a part of the state of one object. */
export type PayloadPart = {
  [Name in keyof Loaders]: Loaders[Name] extends DataLoader<string, infer _Value> ? Name : never
}[keyof Loaders]

/** What is read of a changed object, by its kind: together they are its state. A kind that is missing here does not compile. */
export const payloadParts: Readonly<Record<SubjectKind, readonly PayloadPart[]>> = {
  ...apiKeyPayloadParts,
  ...budgetPayloadParts,
  ...deploymentPayloadParts,
  ...limitPayloadParts,
  ...providerPayloadParts,
  ...routePayloadParts,
  ...userPayloadParts,
}
