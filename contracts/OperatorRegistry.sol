// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";

/// @title Registry of the operators of compute parties
/// @dev Nobody has power over another's bond: it leaves only to the operator that posted it.
contract OperatorRegistry is IOperatorRegistry {
    /**
     * Everything that a job's creation reads of an operator is the first slot:
     *
     * ```
     * slot 0: [ status 8 | feeWei 88 | signer 160 ]
     * slot 1: [ free 120 | withdrawableAtSec 40 | bondWei 96 ]
     * slot 2, 3, 4: sealKey, channelKey, jiffKey
     * slot 5: endpoint
     * ```
     */
    struct Record {
        address signer;
        uint88 feeWei;
        OperatorStatus status;
        uint96 bondWei;
        uint40 withdrawableAtSec;
        bytes32 sealKey;
        bytes32 channelKey;
        bytes32 jiffKey;
        string endpoint;
    }

    uint256 private constant MAX_ENDPOINT_BYTES = 255;

    /// @inheritdoc IOperatorRegistry
    uint256 public immutable minBondWei;
    /// @inheritdoc IOperatorRegistry
    uint256 public immutable unbondingSec;

    mapping(address operator => Record) private _records;
    mapping(address operator => mapping(bytes32 algorithm => bool)) private _approvals;
    mapping(bytes32 operatorSet => address[3]) private _sets;
    /// @inheritdoc IOperatorRegistry
    mapping(address signer => address operator) public operatorOf;

    /// @param minBondWei_ Smallest bond, at most 2^96 - 1.
    /// @param unbondingSec_ Delay between {requestUnbond} and {withdrawBond}. A value above the longest life of a
    /// job (30 days and the challenge window) keeps a bond within reach as long as the jobs it stands for.
    constructor(uint96 minBondWei_, uint32 unbondingSec_) {
        minBondWei = minBondWei_;
        unbondingSec = unbondingSec_;
    }

    /// @inheritdoc IOperatorRegistry
    function register(OperatorKeys calldata keys, string calldata endpoint, uint88 feeWei) external payable {
        Record storage record = _records[msg.sender];
        if (record.status != OperatorStatus.None) revert AlreadyRegistered(msg.sender);
        if (msg.value < minBondWei || msg.value > type(uint96).max) revert BondTooSmall(msg.value, minBondWei);
        record.status = OperatorStatus.Active;
        record.bondWei = uint96(msg.value);
        _write(record, keys, endpoint, feeWei);
        emit OperatorRegistered(
            msg.sender, keys.signer, keys.sealKey, keys.channelKey, keys.jiffKey, endpoint, feeWei, msg.value
        );
    }

    /// @inheritdoc IOperatorRegistry
    function update(OperatorKeys calldata keys, string calldata endpoint, uint88 feeWei) external {
        _write(_registered(msg.sender), keys, endpoint, feeWei);
        emit OperatorUpdated(
            msg.sender, keys.signer, keys.sealKey, keys.channelKey, keys.jiffKey, endpoint, feeWei
        );
    }

    /// @inheritdoc IOperatorRegistry
    function approve(bytes32 algorithm) external {
        _registered(msg.sender);
        _approvals[msg.sender][algorithm] = true;
        emit AlgorithmApproved(msg.sender, algorithm);
    }

    /// @inheritdoc IOperatorRegistry
    function revoke(bytes32 algorithm) external {
        _registered(msg.sender);
        _approvals[msg.sender][algorithm] = false;
        emit AlgorithmRevoked(msg.sender, algorithm);
    }

    /// @inheritdoc IOperatorRegistry
    function requestUnbond() external {
        Record storage record = _registered(msg.sender);
        if (record.status == OperatorStatus.Leaving) revert AlreadyLeaving(msg.sender);
        uint256 withdrawableAtSec = block.timestamp + unbondingSec;
        record.status = OperatorStatus.Leaving;
        record.withdrawableAtSec = uint40(withdrawableAtSec);
        emit OperatorRetired(msg.sender, withdrawableAtSec);
    }

    /// @inheritdoc IOperatorRegistry
    function withdrawBond() external {
        Record storage record = _registered(msg.sender);
        uint256 withdrawableAtSec = record.withdrawableAtSec;
        if (record.status != OperatorStatus.Leaving) revert BondLocked(type(uint256).max);
        if (block.timestamp < withdrawableAtSec) revert BondLocked(withdrawableAtSec);
        uint256 bondWei = record.bondWei;
        delete _records[msg.sender];
        emit BondWithdrawn(msg.sender, bondWei);
        if (!LowLevelCall.callNoReturn(msg.sender, bondWei, "")) revert PaymentFailed(msg.sender, bondWei);
    }

    /// @inheritdoc IOperatorRegistry
    function createSet(address[3] calldata members) external returns (bytes32 operatorSet) {
        _requireDistinct(members);
        for (uint256 i; i < 3; ++i) {
            if (_records[members[i]].status != OperatorStatus.Active) revert OperatorInactive(members[i]);
        }
        operatorSet = MarketHashes.operatorSet(members);
        if (setExists(operatorSet)) return operatorSet;
        _sets[operatorSet] = members;
        emit SetCreated(operatorSet, members);
    }

    /// @inheritdoc IOperatorRegistry
    function quoteSet(address[3] calldata members, bytes32 algorithm)
        external
        view
        returns (address[3] memory signers, uint256 feesWei)
    {
        _requireDistinct(members);
        for (uint256 i; i < 3; ++i) {
            address member = members[i];
            Record storage record = _records[member];
            if (record.status != OperatorStatus.Active) revert OperatorInactive(member);
            if (!_approvals[member][algorithm]) revert AlgorithmNotApproved(member, algorithm);
            signers[i] = record.signer;
            feesWei += record.feeWei;
        }
        bytes32 operatorSet = MarketHashes.operatorSet(members);
        if (!setExists(operatorSet)) revert SetUnknown(operatorSet);
    }

    /// @inheritdoc IOperatorRegistry
    function operators(address operator) external view returns (Operator memory) {
        Record storage record = _records[operator];
        return Operator({
            status: record.status,
            keys: OperatorKeys(record.signer, record.sealKey, record.channelKey, record.jiffKey),
            feeWei: record.feeWei,
            bondWei: record.bondWei,
            withdrawableAtSec: record.withdrawableAtSec,
            endpoint: record.endpoint
        });
    }

    /// @inheritdoc IOperatorRegistry
    function isApproved(address operator, bytes32 algorithm) external view returns (bool) {
        return _approvals[operator][algorithm];
    }

    /// @inheritdoc IOperatorRegistry
    function setMembers(bytes32 operatorSet) external view returns (address[3] memory) {
        if (!setExists(operatorSet)) revert SetUnknown(operatorSet);
        return _sets[operatorSet];
    }

    /// @inheritdoc IOperatorRegistry
    function setExists(bytes32 operatorSet) public view returns (bool) {
        return _sets[operatorSet][0] != address(0);
    }

    function _write(Record storage record, OperatorKeys calldata keys, string calldata endpoint, uint88 feeWei)
        private
    {
        if (
            keys.signer == address(0) || keys.sealKey == 0 || keys.channelKey == 0 || keys.jiffKey == 0
        ) revert KeyMissing();
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointInvalid(length);
        address taken = operatorOf[keys.signer];
        if (taken == address(0)) operatorOf[keys.signer] = msg.sender;
        else if (taken != msg.sender) revert SignerTaken(keys.signer, taken);
        record.signer = keys.signer;
        record.feeWei = feeWei;
        record.sealKey = keys.sealKey;
        record.channelKey = keys.channelKey;
        record.jiffKey = keys.jiffKey;
        record.endpoint = endpoint;
    }

    function _registered(address operator) private view returns (Record storage record) {
        record = _records[operator];
        if (record.status == OperatorStatus.None) revert NotRegistered(operator);
    }

    function _requireDistinct(address[3] calldata members) private pure {
        if (members[0] == members[1] || members[0] == members[2]) revert MembersNotDistinct(members[0]);
        if (members[1] == members[2]) revert MembersNotDistinct(members[1]);
    }
}
