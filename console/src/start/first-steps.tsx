import { Link } from 'wouter'
import { Empty } from '../ui/state.tsx'

/** What stands on the wall before there is a route. */
export function FirstSteps() {
  return (
    <Empty>
      There is no route yet. <Link href="/start">The first steps</Link> make one: a model of your own, or a server that
      runs already.
    </Empty>
  )
}
