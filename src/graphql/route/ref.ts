import type { RouteRow } from '../../storage/route/write.ts'
import type { RouteRevisionRow, RouteTargetRow } from '../../storage/route/read.ts'
import { builder } from '../schema/builder.ts'

export const RouteRef = builder.objectRef<RouteRow>('Route')

export const RouteTargetRef = builder.objectRef<RouteTargetRow>('RouteTarget')

export const RouteRevisionRef = builder.objectRef<RouteRevisionRow>('RouteRevision')
