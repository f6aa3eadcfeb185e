"""What the field's packages need to be imported at all beside a current torchvision."""

import sys
from types import ModuleType


def stand_in():
    """Put back the module torchvision has moved: basicsr asks for one function of it."""
    from torchvision.transforms import functional

    name = "torchvision.transforms.functional_tensor"
    module = ModuleType(name)
    module.rgb_to_grayscale = functional.rgb_to_grayscale
    sys.modules.setdefault(name, module)
