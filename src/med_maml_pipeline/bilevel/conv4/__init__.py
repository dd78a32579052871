"""Second-order gradients of `Conv4` on the CPU: an adjoint sweep in place of a differentiated descent."""

from med_maml_pipeline.bilevel.conv4.implicit import ImplicitTasks
from med_maml_pipeline.bilevel.conv4.meta_gradient import adapt, applies, query_losses
from med_maml_pipeline.bilevel.conv4.native_body import native_available
from med_maml_pipeline.bilevel.conv4.tasks import Backend

__all__ = ["Backend", "ImplicitTasks", "adapt", "applies", "native_available", "query_losses"]
