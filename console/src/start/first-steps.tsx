import { Empty } from '../ui/state.tsx'
import { graphiqlUrl } from '../api/place.ts'

/** What stands on the wall before there is a route. */
export function FirstSteps() {
  return (
    <Empty>
      There is no route yet. The first tab of <a href={graphiqlUrl.href}>GraphiQL</a> adds a model of your own together
      with its route.
    </Empty>
  )
}
