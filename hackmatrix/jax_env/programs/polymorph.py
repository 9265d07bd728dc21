"""The program that changes enemies' types: POLY.

Rules: docs/game.md, section 10.
"""

from jax import Array

from hackmatrix.jax_env.chance import Seed, Use, below
from hackmatrix.jax_env.constants import ENEMY_TYPES, POLY
from hackmatrix.jax_env.slots import SLOT
from hackmatrix.jax_env.state import Enemies, full_hp


def poly(enemies: Enemies, action: Array, seed: Seed) -> Enemies:
    """Everybody becomes one of the three other types, each for itself, with that type's full hp."""
    onward = 1 + below(seed.draw(Use.POLY_TYPE, SLOT), len(ENEMY_TYPES) - 1)
    new_type = (enemies.type + onward) & (len(ENEMY_TYPES) - 1)  # modulo 4
    changed = enemies.replace(type=new_type, hp=full_hp(new_type))
    return enemies.where(enemies.present & (action == POLY), changed)
