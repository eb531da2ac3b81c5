import { typeOfId } from '../../routing/config/object-id.ts'
import type { Db } from './db.ts'

const tablesByType = {
  Provider: 'provider',
  Deployment: 'deployment',
  Route: 'route',
  User: 'app_user',
  ApiKey: 'api_key',
  RateLimit: 'rate_limit',
  Budget: 'budget',
} as const

/** Whether there is a provider, deployment, route, user, API key, limit or budget with this id. */
export async function hasObject(db: Db, id: string): Promise<boolean> {
  const type = typeOfId(id)
  const table = type && tablesByType[type as keyof typeof tablesByType]
  if (!table) return false
  return (await db.selectFrom(table).select('id').where('id', '=', id).executeTakeFirst()) !== undefined
}
