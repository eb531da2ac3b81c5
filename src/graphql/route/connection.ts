import { connectionType } from '../kit/connection.ts'
import { RouteRef } from './ref.ts'

export const RouteConnection = connectionType('Route', RouteRef, { isCounted: true, description: 'A page of routes.' })
