"""What every model of tfkit can do: Hugging Face folders, Keras files, and the output type."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras.src.backend.common import global_state

from tfkit.checkpoints.folder import file_dtype, load_weights, save_weights, warn_of
from tfkit.checkpoints.formats import open_weights
from tfkit.checkpoints.weight_map import Weight, WeightMap
from tfkit.hub import HubOptions, upload
from tfkit.layers.base import restore, state_of
from tfkit.models import keras_nlp
from tfkit.models.config import EncoderConfig
from tfkit.models.families import family_of
from tfkit.models.inputs import TENSORS, as_tensors
from tfkit.models.keras_model import TrainableModel
from tfkit.utils.ignored_keywords import LOADING, SAVING, drop_ignored
from tfkit.utils.keras_backend import keras
from tfkit.utils.processes import check_threads

if TYPE_CHECKING:
    from typing_extensions import Self

    from tfkit.tasks.outputs import ModelOutput

_NO_HDF5 = (
    "Expected a path that ends in `.keras`. Keras' older `.h5` files do not hold a model of tfkit: "
    "save it to a `.keras` file, its weights alone with `save_weights` to a `.weights.h5` file, or "
    "a Hugging Face folder with `save_pretrained`."
)


class _BuiltWhenMade(type(keras.Model)):
    """Builds a model after its constructor: Keras lets a subclass' add no layer to a built one."""

    def __call__(cls, *args, **kwargs):
        model = cls._unbuilt(*args, **kwargs)
        model.build()
        return model

    def _unbuilt(cls, *args, **kwargs):
        return super().__call__(*args, **kwargs)


class TFPreTrainedModel(TrainableModel, metaclass=_BuiltWhenMade):
    """A `keras.Model` with a config, that reads and writes Hugging Face folders."""

    def __init__(self, config: EncoderConfig, **options):
        # Layers cast what they compute with. Labels are not to be rounded to half precision.
        super().__init__(autocast=False, **options)
        self.config = config

    def __call__(self, *args, return_dict=None, **kwargs) -> ModelOutput:
        check_threads()
        args, more = args[:1], args[1:]
        if len(more) > len(self.positional_names):
            raise TypeError(
                f"Expected at most {', '.join(('input_ids', *self.positional_names))} without a "
                f"name. Received {len(more) + 1} such arguments. Pass the others by name."
            )
        named = dict(zip(self.positional_names, more))
        if twice := named.keys() & kwargs:
            raise TypeError(f"Expected each argument once. Received twice: {', '.join(twice)}.")
        kwargs |= named
        args = [as_tensors(value) for value in args]
        given = {name: as_tensors(kwargs[name]) for name in TENSORS if name in kwargs}
        outputs = self.output_type(super().__call__(*args, **{**kwargs, **given}))
        return outputs.to_tuple() if return_dict is False else outputs

    def make_train_function(self, force=False):
        check_threads()
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        check_threads()
        return super().make_test_function(force)

    def make_predict_function(self, force=False):
        check_threads()
        return super().make_predict_function(force)

    @property
    def weight_map(self) -> WeightMap:
        """The names of its weights elsewhere."""
        return family_of(self.config.model_type).weight_map

    @property
    def weight_rows(self) -> tuple[list[Weight], list[Weight]]:
        """The rows of `weight_map` that this model has: of its backbone, and of its head."""
        pooler = self.backbone.pooler is not None
        backbone = self.weight_map.backbone_rows(self.config.num_hidden_layers, pooler)
        return backbone, [*self.weight_map.heads.get(self.task_name, ())]

    # === Hugging Face folders ===

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike,
        *,
        config: EncoderConfig | str | os.PathLike | None = None,
        dtype=None,
        from_pt: bool = False,
        from_tf: bool = False,
        use_safetensors: bool | None = None,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        **overrides,
    ) -> Self:
        """Builds the model that a folder or Hub repository describes, with its weights.

        Args:
            pretrained_model_name_or_path: a folder that `save_pretrained` (of tfkit or of
                Transformers) wrote, or the name of a Hub repository.
            config: used in place of the checkpoint's own; or the folder of one.
            dtype: Keras dtype or policy of the model, such as "mixed_bfloat16"; "auto" is the dtype
                of the file. Weights of another dtype are cast. `torch_dtype` means the same.
            from_pt: prefer pytorch_model.bin to model.safetensors; needs PyTorch.
            from_tf: prefer tf_model.h5 to model.safetensors.
            use_safetensors: True reads safetensors alone, False the other forms alone.
            ignore_mismatched_sizes: weights of another shape than the model's are new, not an
                error: a head of other labels, say.
            output_loading_info: give `(model, info)` in place of a warning; `info` lists the
                `missing_keys` (new in the model), `unexpected_keys` (not used), `mismatched_keys`
                and `error_msgs`.
            **overrides: hub options (`tfkit.hub.HubOptions`) and config keys to change, such as
                `num_labels=10`. Keywords of Transformers that change nothing here, such as
                `attn_implementation`, are taken too (`tfkit.utils.ignored_keywords`).

        Without `from_pt` and `from_tf` the first form that the checkpoint has is read, whole or
        in shards: model.safetensors, pytorch_model.bin, tf_model.h5. Weights of a head that the
        checkpoint does not have are new; one warning lists them.

        Raises:
            FileNotFoundError: the checkpoint, its config.json or its weights are not there.
            ImportError: there is only a pytorch_model.bin, and no PyTorch to read it.
            TypeError: an override is no key of the config.
            ValueError: the files are damaged, or do not fit the model; the message names the keys.
        """
        overrides = drop_ignored(overrides, LOADING)
        dtype = overrides.pop("torch_dtype", None) if dtype is None else dtype
        if type(dtype).__module__.split(".")[0] in ("numpy", "tensorflow", "torch"):
            dtype = keras.backend.standardize_dtype(dtype)
        options = HubOptions.pop_from(overrides)
        name = pretrained_model_name_or_path
        if config is None or isinstance(config, (str, os.PathLike)):
            config = cls.config_class.from_pretrained(config or name, **vars(options))
        config = _changed(config, overrides)
        weight_map = family_of(config.model_type).weight_map
        forms = {"from_pt": from_pt, "from_tf": from_tf, "use_safetensors": use_safetensors}
        weights, source = open_weights(name, options, weight_map, **forms)
        dtype = file_dtype(weights) if dtype == "auto" else dtype
        model = cls._unbuilt(config, dtype=dtype)
        info = load_weights(model, weights, source, ignore_mismatched_sizes)
        if output_loading_info:
            return model, info
        warn_of(info, source)
        return model

    def save_pretrained(
        self, save_directory: str | os.PathLike, *, max_shard_size: int | str = "5GB", **ignored
    ) -> None:
        """Writes config.json and model.safetensors, which Transformers (PyTorch) loads as is.

        Also a model card README.md, unless the folder has one. LoRA is merged into the weights,
        int8 weights become float again.

        Args:
            save_directory: made where it does not exist; other files in it stay.
            max_shard_size: bytes, or a text such as "200MB"; a larger model.safetensors is cut
                into several files with an index.
            **ignored: of Transformers, `safe_serialization=True`; to upload, call `push_to_hub`.
        """
        unknown = drop_ignored(ignored, SAVING)
        if unknown:
            raise TypeError(f"`save_pretrained` has no option {', '.join(unknown)}.")
        save_weights(self, save_directory, max_shard_size=max_shard_size)

    def config_file(self) -> dict[str, Any]:
        """What config.json says of the model."""
        return {**self.config.to_dict(), "architectures": [type(self).__name__.removeprefix("TF")]}

    own_files = ""  # a pattern of the names of what `write_beside` writes

    def write_beside(self, folder: Path) -> None:
        """Writes what stands beside weights and config.json."""

    def push_to_hub(
        self,
        repo_id: str,
        *,
        tokenizer=None,
        max_shard_size: int | str = "5GB",
        commit_message: str = "Upload model",
        **options,
    ) -> str:
        """Uploads what `save_pretrained` writes to a Hub repository, made where it does not exist.

        Args:
            repo_id: its name, such as "me/my-model".
            tokenizer: uploaded beside the model.
            max_shard_size: as in `save_pretrained`.
            commit_message: of the commit.
            **options: `private`, `token`, `revision`, `create_pr`; see `tfkit.hub.upload`.

        Returns: the address of the commit.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / repo_id.split("/")[-1]
            self.save_pretrained(folder, max_shard_size=max_shard_size)
            if tokenizer is not None:
                tokenizer.save_pretrained(folder)
            return upload(folder, repo_id, commit_message=commit_message, **options)

    # === keras-nlp ===

    @classmethod
    def from_keras_nlp(cls, model, **overrides):
        """The same network as a keras-nlp model, with its weights.

        Args:
            model: of keras-nlp, a text classifier, or a backbone, which has no head to take.
            **overrides: config keys that keras-nlp does not know, such as `id2label`.
        """
        ours = cls(_changed(keras_nlp.config_of(cls.config_class, model), overrides))
        keras_nlp.fill(ours, model)
        return ours

    def to_keras_nlp(self):
        """The same network in keras-nlp, with these weights: a text classifier without
        preprocessor, or of an encoder the backbone. Its inputs are `token_ids` and `padding_mask`.
        """
        return keras_nlp.build(self)

    # === Keras' files ===

    def save(self, filepath, *args, **options):
        """As `keras.Model.save`, to a `.keras` file; an `.h5` file is a ValueError."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(_NO_HDF5)
        super().save(filepath, *args, **options)

    def get_config(self):
        if global_state.get_global_attribute("use_legacy_config"):  # of `keras.saving.save_model`
            raise ValueError(_NO_HDF5)
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "config": self.config.to_dict(),
            "padding_free": self.padding_free,
            "state": state_of(self),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A new model with random weights, of a config or of what Keras saved."""
        if isinstance(config, EncoderConfig):
            return cls(config)
        values = {**config, "config": cls.config_class.from_dict(config["config"])}
        state = values.pop("state", {"quantized": values.pop("quantized", {})})
        padding_free = values.pop("padding_free", None)
        model = cls(**values)
        model.padding_free = padding_free
        restore(model, state)
        return model


def _changed(config: EncoderConfig, overrides: dict) -> EncoderConfig:
    changed = config.replace(**overrides) if overrides else config
    unknown = [key for key in overrides if not hasattr(config, key)]
    if unknown:
        raise TypeError(
            f"Expected options of `from_pretrained`, or keys of the config to change. "
            f"Received also: {', '.join(unknown)}."
        )
    return changed
