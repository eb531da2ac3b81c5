import type { Db } from '../../storage/database/db.ts'
import { apiKeyLoaders } from '../api-key/loaders.ts'
import { auditLoaders } from '../audit/loaders.ts'
import { backendLoaders } from '../backend/loaders.ts'
import { budgetLoaders } from '../budget/loaders.ts'
import { deploymentLoaders } from '../deployment/loaders.ts'
import { gatewayLoaders } from '../gateway/loaders.ts'
import { limitLoaders } from '../limit/loaders.ts'
import { providerLoaders } from '../provider/loaders.ts'
import { routeLoaders } from '../route/loaders.ts'
import { usageLoaders } from '../usage/loaders.ts'
import { userLoaders } from '../user/loaders.ts'

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
